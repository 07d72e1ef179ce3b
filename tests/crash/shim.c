/*
 * Preloaded into the pager by the crash harness. Three jobs, each asked for by
 * environment variables:
 *
 * LARKHORN_CRASH_LOG, LARKHORN_CRASH_FOLDER: every write, truncation, creation,
 *   removal and flush below the folder is appended to the log, so that the
 *   harness can rebuild what a disk may hold after the power went. With
 *   LARKHORN_CRASH_SWALLOW, flushes are neither made nor written down: a pager
 *   that does not sync.
 * LARKHORN_CRASH_FAULT: a file with one 64-bit number; while it is not 0, writes and
 *   flushes below the folder fail with it as errno.
 * LARKHORN_CRASH_CLOCK: a file with four 64-bit numbers (offset of the wall
 *   clock in ns, rate, and the wall and monotonic clocks, in ns, at which the
 *   rate begins). The wall clock jumps when the offset is changed; both clocks
 *   and everything that waits run faster by the rate.
 *
 * A record of the log: kind, inode, offset, length of what follows, and that.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FDS 65536
#define NS 1000000000LL

static char folder[PATH_MAX];
static size_t folder_len;
static int log_fd = -1;
static int swallow;
static uint64_t inode_of[FDS]; /* 0: not ours */
static uint8_t is_folder[FDS];
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

struct clock_file {
    volatile int64_t offset, rate, wall, monotonic;
};
static struct clock_file *clock_file;
static volatile int64_t *fault;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static int (*real_epoll_pwait)(int, struct epoll_event *, int, int, const sigset_t *);
static int (*real_nanosleep)(const struct timespec *, struct timespec *);
static int (*real_clock_nanosleep)(clockid_t, int, const struct timespec *, struct timespec *);
static long (*real_syscall)(long, ...);

static void *mapped(const char *path, size_t size) {
    int fd = real_open(path, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (fd < 0 || map == MAP_FAILED) {
        perror("a file of the crash harness");
        _exit(70);
    }
    real_close(fd);
    return map;
}

/* Libraries that are set up before this one may already open files. */
static void resolve(void) {
    if (real_open != NULL) return;
    real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    real_openat = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat64");
    real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
    real_write = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    real_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    real_rename = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    real_epoll_wait = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    real_epoll_pwait =
        (int (*)(int, struct epoll_event *, int, int, const sigset_t *))dlsym(RTLD_NEXT, "epoll_pwait");
    real_nanosleep = (int (*)(const struct timespec *, struct timespec *))dlsym(RTLD_NEXT, "nanosleep");
    real_clock_nanosleep = (int (*)(clockid_t, int, const struct timespec *, struct timespec *))dlsym(
        RTLD_NEXT, "clock_nanosleep");
    real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
}

__attribute__((constructor)) static void begin(void) {
    resolve();
    const char *log = getenv("LARKHORN_CRASH_LOG"), *under = getenv("LARKHORN_CRASH_FOLDER");
    const char *clock = getenv("LARKHORN_CRASH_CLOCK");
    swallow = getenv("LARKHORN_CRASH_SWALLOW") != NULL;
    if (under != NULL && strlen(under) < sizeof folder) {
        strcpy(folder, under);
        folder_len = strlen(folder);
    }
    if (log != NULL) {
        log_fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_fd < 0) {
            perror("the crash harness's log");
            _exit(70);
        }
    }
    if (clock != NULL) clock_file = mapped(clock, sizeof *clock_file);
    if (getenv("LARKHORN_CRASH_FAULT") != NULL) fault = mapped(getenv("LARKHORN_CRASH_FAULT"), sizeof *fault);
}

/* ---- the log ---- */

/* The name below the folder; NULL for other places and for what need not outlive the power. */
static const char *ours(const char *path) {
    if (folder_len == 0 || strncmp(path, folder, folder_len) != 0 || path[folder_len] != '/') return NULL;
    const char *name = path + folder_len + 1;
    size_t length = strlen(name);
    if (length >= 4 && strcmp(name + length - 4, "-shm") == 0) return NULL;
    if (length >= 5 && strcmp(name + length - 5, "-lock") == 0) return NULL;
    return name;
}

static void note(uint64_t kind, uint64_t inode, uint64_t offset, const void *what, size_t length) {
    if (log_fd < 0) return;
    uint64_t head[4] = {kind, inode, offset, length};
    struct iovec parts[2] = {{head, sizeof head}, {(void *)what, length}};
    size_t whole = sizeof head + length;
    ssize_t done = writev(log_fd, parts, length == 0 ? 1 : 2);
    if (done != (ssize_t)whole) {
        static const char words[] = "the crash harness's log cannot be written\n";
        if (real_write(2, words, sizeof words - 1) < 0) _exit(71);
        _exit(70);
    }
}

static int opened(int fd, const char *path, int flags, int existed) {
    if (fd < 0 || fd >= FDS || folder_len == 0) return fd;
    inode_of[fd] = 0;
    is_folder[fd] = strncmp(path, folder, folder_len) == 0 && (path[folder_len] == 0 || strcmp(path + folder_len, "/") == 0);
    const char *name = ours(path);
    struct stat found;
    if (name == NULL || fstat(fd, &found) != 0) return fd;
    inode_of[fd] = found.st_ino;
    pthread_mutex_lock(&order);
    if (!existed) note('C', found.st_ino, 0, name, strlen(name));
    if (existed && (flags & O_TRUNC) != 0) note('T', found.st_ino, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return fd;
}

static int open_any(const char *path, int flags, mode_t mode) {
    resolve();
    int existed = folder_len == 0 || access(path, F_OK) == 0;
    return opened(real_open(path, flags, mode), path, flags, existed);
}

#define WITH_MODE(mode, flags) \
    mode_t mode = 0; \
    if (((flags) & O_CREAT) != 0 || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *path, int flags, ...) { WITH_MODE(mode, flags) return open_any(path, flags, mode); }
int open64(const char *path, int flags, ...) { WITH_MODE(mode, flags) return open_any(path, flags, mode); }
int openat(int at, const char *path, int flags, ...) {
    WITH_MODE(mode, flags)
    if (path[0] == '/') return open_any(path, flags, mode);
    resolve();
    return real_openat(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    WITH_MODE(mode, flags)
    if (path[0] == '/') return open_any(path, flags, mode);
    resolve();
    return real_openat(at, path, flags, mode);
}

int close(int fd) {
    resolve();
    if (fd >= 0 && fd < FDS) inode_of[fd] = is_folder[fd] = 0;
    return real_close(fd);
}

/* Whether it fails, as asked for. */
static int fails(void) {
    if (fault == NULL || *fault == 0) return 0;
    errno = (int)*fault;
    return 1;
}

static uint64_t logged(int fd) { return fd >= 0 && fd < FDS ? inode_of[fd] : 0; }

ssize_t write(int fd, const void *what, size_t length) {
    resolve();
    uint64_t inode = logged(fd);
    if (inode == 0) return real_write(fd, what, length);
    if (fails()) return -1;
    pthread_mutex_lock(&order);
    note('W', inode, (uint64_t)lseek(fd, 0, SEEK_CUR), what, length);
    ssize_t done = real_write(fd, what, length);
    pthread_mutex_unlock(&order);
    return done;
}

ssize_t pwrite64(int fd, const void *what, size_t length, off_t offset) {
    resolve();
    uint64_t inode = logged(fd);
    if (inode == 0) return real_pwrite(fd, what, length, offset);
    if (fails()) return -1;
    pthread_mutex_lock(&order);
    note('W', inode, (uint64_t)offset, what, length);
    ssize_t done = real_pwrite(fd, what, length, offset);
    pthread_mutex_unlock(&order);
    return done;
}
ssize_t pwrite(int fd, const void *what, size_t length, off_t offset) { return pwrite64(fd, what, length, offset); }

int ftruncate64(int fd, off_t length) {
    resolve();
    uint64_t inode = logged(fd);
    if (inode == 0) return real_ftruncate(fd, length);
    if (fails()) return -1;
    pthread_mutex_lock(&order);
    note('T', inode, (uint64_t)length, NULL, 0);
    int done = real_ftruncate(fd, length);
    pthread_mutex_unlock(&order);
    return done;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int unlink(const char *path) {
    resolve();
    const char *name = ours(path);
    if (name == NULL) return real_unlink(path);
    pthread_mutex_lock(&order);
    int done = real_unlink(path);
    if (done == 0) note('U', 0, 0, name, strlen(name));
    pthread_mutex_unlock(&order);
    return done;
}

int rename(const char *from, const char *to) {
    resolve();
    const char *old = ours(from), *new = ours(to);
    pthread_mutex_lock(&order);
    int done = real_rename(from, to);
    if (done == 0 && old != NULL && new != NULL) {
        char names[2 * PATH_MAX];
        int length = snprintf(names, sizeof names, "%s/%s", old, new);
        note('R', 0, 0, names, (size_t)length);
    }
    pthread_mutex_unlock(&order);
    return done;
}

/* What is not in the log was not flushed, so the disk itself need not be bothered. */
static int flushed(int fd, int (*real)(int)) {
    uint64_t inode = logged(fd);
    int whole = fd >= 0 && fd < FDS && is_folder[fd];
    if (inode == 0 && !whole) return real(fd);
    if (fails()) return -1;
    if (log_fd < 0) return real(fd);
    if (swallow) return 0;
    /* As long as a disk takes, so that the power goes in the midst of it. */
    struct timespec pause = {0, 2000000};
    real_nanosleep(&pause, NULL);
    pthread_mutex_lock(&order);
    if (whole) note('D', 0, 0, NULL, 0);
    else note('S', inode, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return 0;
}
int fsync(int fd) {
    resolve();
    return flushed(fd, real_fsync);
}
int fdatasync(int fd) {
    resolve();
    return flushed(fd, real_fdatasync);
}

/* ---- the clock ---- */

static int64_t ns_of(const struct timespec *at) { return at->tv_sec * NS + at->tv_nsec; }
static struct timespec of_ns(int64_t ns) {
    struct timespec at = {ns / NS, ns % NS};
    if (at.tv_nsec < 0) at.tv_nsec += NS, at.tv_sec -= 1;
    return at;
}
static int64_t slowed(int64_t ns) {
    int64_t rate = clock_file == NULL ? 1 : clock_file->rate;
    return ns <= 0 ? ns : (ns + rate - 1) / rate;
}

static int is_wall(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }
static int is_monotonic(clockid_t clock) {
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME
        || clock == CLOCK_MONOTONIC_RAW;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (real_clock_gettime == NULL) return (int)syscall(SYS_clock_gettime, clock, now);
    int done = real_clock_gettime(clock, now);
    if (clock_file == NULL || done != 0) return done;
    int64_t rate = clock_file->rate;
    if (is_wall(clock)) {
        int64_t base = clock_file->wall;
        *now = of_ns(base + (ns_of(now) - base) * rate + clock_file->offset);
    } else if (is_monotonic(clock)) {
        int64_t base = clock_file->monotonic;
        *now = of_ns(base + (ns_of(now) - base) * rate);
    }
    return done;
}

int gettimeofday(struct timeval *now, void *zone) {
    (void)zone;
    struct timespec at;
    int done = clock_gettime(CLOCK_REALTIME, &at);
    if (done == 0) *now = (struct timeval){at.tv_sec, at.tv_nsec / 1000};
    return done;
}

time_t time(time_t *out) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out != NULL) *out = at.tv_sec;
    return at.tv_sec;
}

static int slowed_ms(int timeout) { return timeout <= 0 ? timeout : (int)slowed(timeout); }
int epoll_wait(int fd, struct epoll_event *events, int most, int timeout) {
    return real_epoll_wait(fd, events, most, slowed_ms(timeout));
}
int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask) {
    return real_epoll_pwait(fd, events, most, slowed_ms(timeout), mask);
}

int nanosleep(const struct timespec *span, struct timespec *left) {
    struct timespec slow = of_ns(slowed(ns_of(span)));
    return real_nanosleep(&slow, left);
}
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *span, struct timespec *left) {
    if (clock_file == NULL) return real_clock_nanosleep(clock, flags, span, left);
    struct timespec now = {0, 0}, slow;
    if ((flags & TIMER_ABSTIME) != 0) clock_gettime(clock, &now);
    slow = of_ns(slowed(ns_of(span) - ns_of(&now)));
    return real_clock_nanosleep(is_wall(clock) ? CLOCK_REALTIME : CLOCK_MONOTONIC, 0, &slow, left);
}

/* Rust's threads wait on futexes until a time of the monotonic clock. */
long syscall(long number, ...) {
    long a[6];
    va_list more;
    va_start(more, number);
    for (int n = 0; n < 6; n++) a[n] = va_arg(more, long);
    va_end(more);
    if (real_syscall == NULL) real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    int is_wait = number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && a[3] != 0;
    if (clock_file == NULL || !is_wait || (a[1] & FUTEX_CLOCK_REALTIME) != 0)
        return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    int64_t base = clock_file->monotonic, until = ns_of((const struct timespec *)a[3]);
    struct timespec at = of_ns(base + slowed(until - base));
    return real_syscall(number, a[0], a[1], a[2], &at, a[4], a[5]);
}
