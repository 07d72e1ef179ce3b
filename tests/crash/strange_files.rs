//! A database that is damaged, another's, or of a later release: the pager says
//! so, with the file and the way out, ends with 1 and leaves it as it is.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::backend::Backend;
use crate::disks::contents;
use crate::lane::Lane;

const WEBHOOKS: usize = 20;

/// What is done to the file, and what must be said.
type Case = (&'static str, fn(&Path), &'static [&'static str]);

const CASES: [Case; 7] = [
    ("a page of rubbish", rubbish, &["it is damaged", "salvage"]),
    ("cut in half", half, &["it is damaged", "restore a copy"]),
    ("its head gone", headless, &["head is destroyed", "left untouched"]),
    ("a text", text, &["not an SQLite database", "left untouched"]),
    ("another application's", foreign, &["belongs to another application", "store.url"]),
    ("another application's, marked", marked, &["belongs to another application"]),
    ("of a later release", newer, &["Run the newer release", "left untouched"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn strange_files_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(folder.path()).unwrap();
    let mut lane = Lane::new(Backend::sqlite_in(&path), 0x57, None);
    lane.start().await;
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    lane.pager.stop().await;
    let file = lane.backend.file();
    let sound = fs::read(&file).unwrap();
    for (case, spoil, words) in CASES {
        for other in ["larkhorn.db-wal", "larkhorn.db-shm"] {
            drop(fs::remove_file(path.join(other)));
        }
        fs::write(&file, &sound).unwrap();
        spoil(&file);
        let before = contents(&path);
        let ended = lane.pager.start_in_vain(&|_| {});
        let said = lane.pager.end_of_log();
        let last = said.rsplit("larkhorn: ").next().unwrap_or_default().replace('\n', " ");
        assert_eq!(ended.code(), Some(1), "{case}: {said}");
        assert!(last.contains("larkhorn.db"), "{case}: {last}");
        for word in words {
            assert!(last.contains(word), "{case}: {word:?} is not in {last}");
        }
        // SQLite leaves an empty log beside a file that it looked at.
        let after: Vec<_> = contents(&path).into_iter().filter(|file| !is_empty_log(file)).collect();
        assert!(after == before, "{case}: it was changed");
        eprintln!("{case}: {last}");
    }
    fs::write(&file, sound).unwrap();
    lane.start().await;
    let found = lane.end().await;
    assert!(found.lost.is_empty() && found.beyond_rule.is_empty(), "{found:#?}");
}

fn is_empty_log((name, bytes): &(String, Vec<u8>)) -> bool {
    name.ends_with("-shm") || (name.ends_with("-wal") && bytes.is_empty())
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

fn rubbish(file: &Path) {
    change(file, |bytes| bytes[4096..8192].fill(0x5a));
}

fn half(file: &Path) {
    change(file, |bytes| bytes.truncate(bytes.len() / 8192 * 4096));
}

fn headless(file: &Path) {
    change(file, |bytes| bytes[..512].fill(0));
}

fn text(file: &Path) {
    fs::write(file, "buy milk\n".repeat(100)).unwrap();
}

fn foreign(file: &Path) {
    fs::remove_file(file).unwrap();
    Connection::open(file).unwrap().execute_batch("CREATE TABLE dashboard (id)").unwrap();
}

fn marked(file: &Path) {
    fs::remove_file(file).unwrap();
    let sql = "PRAGMA application_id = 1196444487; CREATE TABLE dashboard (id)";
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

fn newer(file: &Path) {
    Connection::open(file)
        .unwrap()
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA user_version = 9999")
        .unwrap();
}
