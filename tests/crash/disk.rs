//! What a disk may hold after the power went.
//!
//! `kill -9` leaves the page cache, so it proves nothing about fsync. The
//! preloaded shim writes down what the pager wrote and when it flushed; from
//! that [`Cut`] rebuilds the files:
//!
//! * what was written before the last flush of a file is there;
//! * of what came later, each write is there, missing, or torn into sectors of
//!   which each is there or not, independently of the others;
//! * a file created or removed without a flush of the folder may not be; these
//!   changes keep their order, as in any file system's journal.
//!
//! That is harsher than most disks, and what SQLite says it survives.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::dice::Dice;

const SECTOR: usize = 512;
/// Kind, inode, offset, length: each 8 bytes.
const HEAD: usize = 32;

/// A change of a file that may not have reached the disk.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

/// A change of the folder that may not have reached the disk.
#[derive(Debug, Clone)]
enum Entry {
    Created { name: String, file: usize },
    Removed(String),
    Renamed { from: String, to: String },
}

#[derive(Debug, Default)]
struct Contents {
    safe: Vec<u8>,
    pending: Vec<Change>,
}

/// A folder as the disk has it, and what may be lost.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<Contents>,
    /// Which file an inode is at the moment; the numbers are used again.
    inodes: BTreeMap<u64, usize>,
    folder: BTreeMap<String, usize>,
    pending: Vec<Entry>,
}

/// How unkind the cut is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mood {
    /// Of a hundred writes that were not flushed, so many are there.
    pub(crate) kept: u64,
    /// Of a hundred of the others, so many are torn rather than missing.
    pub(crate) torn: u64,
}

impl Mood {
    /// Nothing, everything, or anything between.
    pub(crate) fn any(dice: &mut Dice) -> Self {
        let kept = [0, 20, 50, 80, 100, dice.below(101)];
        let at = dice.among(6);
        Self { kept: kept[at], torn: if dice.percent(50) { 50 } else { 0 } }
    }
}

/// How much a cut took.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Writes and changes of the folder that were not flushed when the power went.
    pub(crate) pending: usize,
    /// Of those, the ones that are missing or torn.
    pub(crate) lost: usize,
}

impl Disk {
    /// The folder as it is, all of it safe.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut disk = Self::default();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (name, meta) = (entry.file_name().into_string().unwrap(), entry.metadata().unwrap());
            if !meta.is_file() || is_left_out(&name) {
                continue;
            }
            let file = disk.add(meta.ino());
            disk.files[file].safe = fs::read(entry.path()).unwrap();
            disk.folder.insert(name, file);
        }
        disk
    }

    /// Takes in what the shim has written down.
    pub(crate) fn hear(&mut self, mut log: &[u8]) {
        while let Some((head, rest)) = log.split_at_checked(HEAD) {
            let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
            let length = usize::try_from(number(24)).unwrap();
            // The process was killed while it wrote this down: it did no more.
            let Some((what, rest)) = rest.split_at_checked(length) else { return };
            let kind = char::from(u8::try_from(number(0)).unwrap());
            self.record(kind, number(8), usize::try_from(number(16)).unwrap(), what);
            log = rest;
        }
    }

    fn record(&mut self, kind: char, inode: u64, offset: usize, what: &[u8]) {
        let name = || String::from_utf8(what.to_vec()).unwrap();
        match kind {
            'C' => {
                let file = self.add(inode);
                self.pending.push(Entry::Created { name: name(), file });
            }
            'W' => self.change(inode, Change::Write { offset, bytes: what.to_vec() }),
            'T' => self.change(inode, Change::Truncate(offset)),
            'S' => {
                let file = &mut self.files[self.inodes[&inode]];
                for change in file.pending.drain(..) {
                    change.apply(&mut file.safe);
                }
            }
            'D' => {
                for entry in std::mem::take(&mut self.pending) {
                    entry.apply(&mut self.folder);
                }
            }
            'U' => self.pending.push(Entry::Removed(name())),
            'R' => {
                let names = name();
                let (from, to) = names.split_once('/').unwrap();
                self.pending.push(Entry::Renamed { from: from.to_owned(), to: to.to_owned() });
            }
            other => panic!("the log has a record of kind {other:?}"),
        }
    }

    fn add(&mut self, inode: u64) -> usize {
        self.files.push(Contents::default());
        self.inodes.insert(inode, self.files.len() - 1);
        self.files.len() - 1
    }

    fn change(&mut self, inode: u64, change: Change) {
        self.files[self.inodes[&inode]].pending.push(change);
    }

    /// The power goes: what the disk holds is written into the folder, and
    /// nothing else stays there.
    pub(crate) fn cut(mut self, folder: &Path, mood: Mood, dice: &mut Dice) -> Losses {
        let mut losses = Losses::default();
        let entries = std::mem::take(&mut self.pending);
        let kept = dice.among(entries.len() + 1);
        losses.pending += entries.len();
        losses.lost += entries.len() - kept;
        for entry in entries.into_iter().take(kept) {
            entry.apply(&mut self.folder);
        }
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.metadata().unwrap().is_file() {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        for (name, file) in &self.folder {
            let contents = &mut self.files[*file];
            for change in contents.pending.drain(..) {
                losses.pending += 1;
                losses.lost += usize::from(!change.survive(&mut contents.safe, mood, dice));
            }
            fs::write(folder.join(name), &contents.safe).unwrap();
        }
        losses
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Truncate(length) => to.resize(*length, 0),
            Self::Write { offset, bytes } => put(to, *offset, bytes),
        }
    }

    /// Whether all of it got there.
    fn survive(&self, to: &mut Vec<u8>, mood: Mood, dice: &mut Dice) -> bool {
        if dice.percent(mood.kept) {
            self.apply(to);
            return true;
        }
        if let Self::Write { offset, bytes } = self
            && dice.percent(mood.torn)
        {
            let mut at = *offset;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (sector, later) = rest.split_at((SECTOR - at % SECTOR).min(rest.len()));
                if dice.percent(50) {
                    put(to, at, sector);
                }
                at += sector.len();
                rest = later;
            }
        }
        false
    }
}

impl Entry {
    fn apply(self, folder: &mut BTreeMap<String, usize>) {
        match self {
            Self::Created { name, file } => {
                folder.insert(name, file);
            }
            Self::Removed(name) => {
                folder.remove(&name);
            }
            Self::Renamed { from, to } => {
                if let Some(file) = folder.remove(&from) {
                    folder.insert(to, file);
                }
            }
        }
    }
}

/// Locks end with their process, and the index of the log is made anew from it.
fn is_left_out(name: &str) -> bool {
    name.ends_with("-shm") || name.ends_with("-lock")
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: char, inode: u64, offset: u64, what: &[u8]) -> Vec<u8> {
        let numbers = [u64::from(u32::from(kind)), inode, offset, u64::try_from(what.len()).unwrap()];
        numbers.iter().flat_map(|n| n.to_le_bytes()).chain(what.iter().copied()).collect()
    }

    fn after(log: &[Vec<u8>], mood: Mood, seed: u64) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::of(folder.path());
        disk.hear(&log.concat());
        disk.cut(folder.path(), mood, &mut Dice::new(seed));
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        names
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
            .collect()
    }

    const NOTHING: Mood = Mood { kept: 0, torn: 0 };
    const ALL: Mood = Mood { kept: 100, torn: 0 };

    #[test]
    fn what_was_flushed_stays_and_nothing_else_has_to() {
        let log = [
            record('C', 7, 0, b"a"),
            record('D', 0, 0, b""),
            record('W', 7, 0, b"one"),
            record('S', 7, 0, b""),
            record('W', 7, 3, b"two"),
            record('T', 7, 1, b""),
        ];
        for seed in 0..20 {
            assert_eq!(after(&log, NOTHING, seed), [("a".to_owned(), b"one".to_vec())].into());
            assert_eq!(after(&log, ALL, seed), [("a".to_owned(), b"o".to_vec())].into());
        }
    }

    #[test]
    fn a_file_of_an_unflushed_folder_may_be_missing_and_a_removed_one_may_be_there() {
        let created = [record('C', 7, 0, b"a"), record('W', 7, 0, b"x"), record('S', 7, 0, b"")];
        let seen: std::collections::BTreeSet<usize> =
            (0..40).map(|seed| after(&created, ALL, seed).len()).collect();
        assert_eq!(seen, [0, 1].into());
        let removed = [&created[..], &[record('D', 0, 0, b""), record('U', 0, 0, b"a")]].concat();
        let seen: std::collections::BTreeSet<usize> =
            (0..40).map(|seed| after(&removed, ALL, seed).len()).collect();
        assert_eq!(seen, [0, 1].into());
    }

    #[test]
    fn writes_are_torn_at_sectors_and_a_record_cut_short_ends_the_log() {
        let log = [
            record('C', 7, 0, b"a"),
            record('D', 0, 0, b""),
            record('W', 7, 0, &[b'.'; 2048]),
            record('S', 7, 0, b""),
            record('W', 7, 256, &[b'x'; 1024]),
            record('W', 7, 0, b"never")[..HEAD + 2].to_vec(),
        ];
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let bytes = after(&log, Mood { kept: 0, torn: 100 }, seed).remove("a").unwrap();
            let parts = [0..256, 256..512, 512..1024, 1024..1280, 1280..2048];
            let whole = parts.map(|part| bytes[part].iter().all(|b| *b == b'x'));
            let none = [0..256, 1280..2048].map(|part| bytes[part].iter().all(|b| *b == b'.'));
            assert_eq!(none, [true, true]);
            kinds.insert(whole);
        }
        assert_eq!(kinds.len(), 8, "each of three sectors is there or not");
    }
}
