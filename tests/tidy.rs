//! The laws of the house, checked on the text of the sources: which room may
//! use which, what the pure rooms must not touch, who alone speaks which
//! format, how long a file may be and what the repository holds.
//!
//! Each law is a function from one file to its violations, and each is shown
//! to catch one: a law that cannot fail protects nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// Rooms and their floors; a room uses only what lies below it.
const FLOORS: [(&str, u8); 16] = [
    ("domain", 0),
    ("sources", 1),
    ("rules", 1),
    ("escalation", 1),
    ("settings", 2),
    ("telemetry", 2),
    ("wire", 2),
    ("store", 3),
    ("feishu", 3),
    ("alertmanager", 3),
    ("fallback", 3),
    ("http", 4),
    ("worker", 4),
    ("sandbox", 5),
    ("app", 6),
    ("cli", 7),
];

/// What a pure room (floors 0 and 1) must not touch: time of the machine,
/// chance, files, network, threads and everything that waits.
const IMPURE: [&str; 20] = [
    "async fn",
    "async move",
    "async_trait",
    ".await",
    "tokio::",
    "actix_web",
    "reqwest",
    "rusqlite",
    "futures_util",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::thread",
    "std::process",
    "SystemTime",
    "Instant::",
    "Timestamp::now",
    "Zoned::now",
    "new_v4",
];

/// Words of a format, and the only rooms that may know them.
const FORMATS: [(&[&str], &[&str]); 4] = [
    (&["rusqlite", "tokio_postgres", "SELECT ", "INSERT INTO", "CREATE TABLE"], &["store"]),
    (
        &["open-apis", "receive_id", "tenant_access_token", "user_id_list", "bot_time_sentive", "msg_type"],
        &["feishu", "sandbox"],
    ),
    (&["groupKey", "evalMatches", "truncatedAlerts", "commonAnnotations"], &["sources"]),
    (&["silenceID", "isRegex", "silencedBy", "inhibitedBy"], &["alertmanager"]),
];

/// Longest file, in lines, its tests left out.
const LINES_MAX: usize = 400;
/// The program only parses its command line and hands over.
const MAIN_LINES_MAX: usize = 60;

/// Names at the top of the repository; those that start with a dot are free.
const TOP: [&str; 11] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "README.zh-CN.md",
    "deploy",
    "rules",
    "src",
    "templates",
    "tests",
];

/// A file of the repository.
struct File {
    /// From the top of the repository, with `/`.
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The room of a source file: `src/store/mod.rs` is in `store`.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        Some(inside.split('/').next().unwrap_or(inside))
    }

    fn floor(&self) -> Option<u8> {
        floor(self.room()?)
    }

    /// Whether the whole file is tests of the module it belongs to.
    fn is_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Numbered lines before the tests.
    fn program(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = if self.is_tests() { 0 } else { usize::MAX };
        let numbered = self.text.lines().enumerate().map(|(n, line)| (n + 1, line));
        numbered.take(lines).take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    /// Numbered lines before the tests, comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let uncommented = |line| str::split(line, " // ").next().unwrap_or(line);
        self.program()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(move |(n, line)| (n, uncommented(line)))
    }

    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// The rooms that a file names after `crate::`, with the line of each.
fn rooms_used(file: &File) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    // Groups may span lines: `use crate::{domain::{A, B}, store::C};`
    let mut depth = 0_usize;
    for (n, line) in file.code() {
        let mut rest = line;
        if depth == 0 {
            while let Some((_, after)) = rest.split_once("crate::") {
                rest = after;
                if let Some(group) = after.strip_prefix('{') {
                    depth = 1;
                    rest = group;
                    break;
                }
                used.push((n, word(after)));
            }
        }
        if depth > 0 {
            depth = group_members(n, rest, depth, &mut used);
        }
    }
    used
}

/// Collects what stands at the first level of a braced group; the depth after the line.
fn group_members(n: usize, line: &str, mut depth: usize, used: &mut Vec<(usize, String)>) -> usize {
    let mut fresh = true;
    for (at, c) in line.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' => fresh = true,
            c if fresh && depth == 1 && c.is_alphabetic() => {
                used.push((n, word(&line[at..])));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    depth
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// A room uses itself and lower floors only.
fn imports_go_down(file: &File) -> Vec<String> {
    let (Some(room), Some(own)) = (file.room(), file.floor()) else { return Vec::new() };
    rooms_used(file)
        .into_iter()
        .filter(|(_, other)| other != room && floor(other).is_none_or(|floor| floor >= own))
        .map(|(n, other)| {
            file.at(n, &format!("{room} (floor {own}) uses {other}, which does not lie below it"))
        })
        .collect()
}

/// Deciding is pure.
fn pure_rooms_are_pure(file: &File) -> Vec<String> {
    if file.floor().is_none_or(|floor| floor > 1) {
        return Vec::new();
    }
    words(file, &IMPURE, "does not belong into a pure room")
}

/// Each format is known to the room that owns it.
fn formats_stay_at_home(file: &File) -> Vec<String> {
    let Some(room) = file.room() else { return Vec::new() };
    let foreign = FORMATS.iter().filter(|(_, homes)| !homes.contains(&room));
    foreign
        .flat_map(|(known, homes)| words(file, known, &format!("is for {} only", homes.join(", "))))
        .collect()
}

/// The nouns have no wire format.
fn domain_is_not_serialized(file: &File) -> Vec<String> {
    if file.room() != Some("domain") {
        return Vec::new();
    }
    words(file, &["serde", "Serialize", "Deserialize"], "is for the edges")
}

fn words(file: &File, banned: &[&str], why: &str) -> Vec<String> {
    file.code()
        .flat_map(|(n, line)| banned.iter().filter(|w| line.contains(**w)).map(move |w| (n, *w)))
        .map(|(n, word)| file.at(n, &format!("`{}` {why}", word.trim())))
        .collect()
}

/// A file can be read in one sitting.
fn files_are_short(file: &File) -> Vec<String> {
    let max = if file.path == "src/main.rs" { MAIN_LINES_MAX } else { LINES_MAX };
    let lines = file.program().count();
    if file.room().is_none() || lines <= max {
        return Vec::new();
    }
    vec![file.at(max + 1, &format!("{lines} lines before the tests, {max} is the most"))]
}

/// A module opens by saying what it is for.
fn modules_introduce_themselves(file: &File) -> Vec<String> {
    let rust = Path::new(&file.path).extension().is_some_and(|e| e == "rs");
    if !rust || file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![file.at(1, "does not open with a `//!` that says what it is for")]
}

/// Nothing is left for later in the program.
fn nothing_is_left_for_later(file: &File) -> Vec<String> {
    let later = ["todo!", "unimplemented!", "TODO", "FIXME", "XXX", "//! Placeholder"];
    let numbered = file.text.lines().enumerate();
    numbered
        .flat_map(|(n, line)| later.iter().filter(|w| line.contains(**w)).map(move |w| (n + 1, w)))
        .map(|(n, word)| file.at(n, &format!("`{word}`: do it or open an issue")))
        .collect()
}

/// Where homes usually are, this user's home, and where this checkout is. A
/// checkout at the top of the disk has no path of its own.
static MACHINE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let here = [std::env::home_dir().unwrap_or_default(), top().to_owned()];
    let own = here.iter().filter(|path| path.parent().is_some()).map(|path| format!("{}/", path.display()));
    ["/home/", "/Users/"].map(str::to_owned).into_iter().chain(own).collect()
});

/// Nothing depends on the machine it was written on.
fn no_machine_shows(file: &File) -> Vec<String> {
    let numbered = file.text.lines().enumerate();
    numbered
        .filter_map(|(n, line)| Some((n + 1, MACHINE.iter().find(|path| line.contains(path.as_str()))?)))
        .map(|(n, path)| file.at(n, &format!("`{path}` is a path of somebody's machine")))
        .collect()
}

/// The top of the repository holds what it is agreed to hold.
fn top_level_is_as_agreed(names: &[String]) -> Vec<String> {
    let strange = names.iter().filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()));
    strange.map(|name| format!("{name}: has no place at the top of the repository")).collect()
}

type Law = fn(&File) -> Vec<String>;

const LAWS: [Law; 8] = [
    imports_go_down,
    pure_rooms_are_pure,
    formats_stay_at_home,
    domain_is_not_serialized,
    files_are_short,
    modules_introduce_themselves,
    nothing_is_left_for_later,
    no_machine_shows,
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of the files of the repository. Without git (in an unpacked
/// archive) everything counts but what builds and runs leave behind.
fn names() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(top())
        .output();
    let names: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    if names.is_empty() { walk(top(), "") } else { names }
}

fn walk(folder: &Path, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if name == "target" || name == ".git" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            names.extend(walk(&entry.path(), &format!("{name}/")));
        } else {
            names.push(name);
        }
    }
    names
}

/// The text files that people write.
fn files() -> Vec<File> {
    let written =
        ["rs", "toml", "md", "yaml", "yml", "hbs", "html", "css", "js", "py", "sql", "service", "json"];
    let mut files: Vec<_> = names()
        .into_iter()
        .filter(|name| !name.starts_with("tests/payloads/") && name != "tests/tidy.rs")
        .filter(|name| Path::new(name).extension().is_none_or(|e| written.contains(&e.to_str().unwrap())))
        .filter_map(|path| {
            // What git still lists but somebody has just removed is no file.
            let text = fs::read_to_string(top().join(&path)).ok()?;
            Some(File { path, text })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[test]
fn the_house_keeps_its_laws() {
    let files = files();
    assert!(files.iter().any(|f| f.path == "src/domain/mod.rs"), "the sources were not found");
    let broken: Vec<_> = files.iter().flat_map(|file| LAWS.iter().flat_map(|law| law(file))).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_top_of_the_repository_is_as_agreed() {
    let mut names: Vec<_> = names().iter().map(|n| n.split('/').next().unwrap_or(n).to_owned()).collect();
    names.sort();
    names.dedup();
    let strange = top_level_is_as_agreed(&names);
    assert!(strange.is_empty(), "\n{}", strange.join("\n"));
}

#[test]
fn every_room_has_a_floor() {
    let rooms = files().iter().filter_map(|f| f.room().map(str::to_owned)).collect::<Vec<_>>();
    let unknown: Vec<_> =
        rooms.iter().filter(|r| floor(r).is_none() && !["lib", "main"].contains(&r.as_str())).collect();
    assert!(unknown.is_empty(), "rooms without a floor: {unknown:?}");
}

/// Laws, what they must let pass and what they must catch.
#[test]
fn each_law_catches_its_planted_violation() {
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(LINES_MAX));
    let fine = format!("//! Long.\n{}#[cfg(test)]\n{long}", "fn f() {}\n".repeat(LINES_MAX - 1));
    let main = "fn f() {}\n".repeat(MAIN_LINES_MAX + 1);
    #[rustfmt::skip]
    let cases: &[(Law, &str, &str, usize)] = &[
        (imports_go_down, "src/store/mod.rs", "use crate::domain::Alert;", 0),
        (imports_go_down, "src/store/a.rs", "use crate::store::b;\nuse super::c;", 0),
        (imports_go_down, "src/store/mod.rs", "use crate::http::State;", 1),
        (imports_go_down, "src/store/mod.rs", "use crate::feishu::Client;", 1),
        (imports_go_down, "src/domain/alert.rs", "let x = crate::rules::f(crate::store::g());", 2),
        (imports_go_down, "src/rules/mod.rs", "use crate::{domain::{A, B}, settings::S};", 1),
        (imports_go_down, "src/rules/mod.rs", "use crate::{\n    domain::A,\n    sources,\n};\nuse crate::cli::x;", 2),
        (imports_go_down, "src/rules/mod.rs", "use crate::helpers::x;", 1),
        (imports_go_down, "src/rules/mod.rs", "/// See [`crate::worker`].\n#[cfg(test)]\nuse crate::worker;", 0),
        (imports_go_down, "src/app.rs", "use crate::{http, sandbox, worker};", 0),
        (pure_rooms_are_pure, "src/escalation/mod.rs", "pub fn advance() {} // never async fn", 0),
        (pure_rooms_are_pure, "src/escalation/mod.rs", "pub async fn advance() {}", 1),
        (pure_rooms_are_pure, "src/rules/mod.rs", "let text = std::fs::read(path);", 1),
        (pure_rooms_are_pure, "src/domain/clock.rs", "jiff::Timestamp::now()", 1),
        (pure_rooms_are_pure, "src/settings/mod.rs", "let text = std::fs::read(path);", 0),
        (formats_stay_at_home, "src/store/sqlite/a.rs", "use rusqlite::Connection; \"SELECT 1\"", 0),
        (formats_stay_at_home, "src/worker/engine.rs", "use rusqlite::Connection;\n\"SELECT 1\"", 2),
        (formats_stay_at_home, "src/sandbox/api.rs", "\"/open-apis/im/v1/messages\"", 0),
        (formats_stay_at_home, "src/worker/courier.rs", "json!({\"receive_id\": chat})", 1),
        (formats_stay_at_home, "src/http/webhook.rs", "body[\"groupKey\"]", 1),
        (formats_stay_at_home, "src/sources/mod.rs", "#[serde(rename = \"groupKey\")]", 0),
        (formats_stay_at_home, "src/worker/courier.rs", "json!({\"isRegex\": false})", 1),
        (formats_stay_at_home, "src/alertmanager/silences.rs", "json!({\"isRegex\": false})", 0),
        (domain_is_not_serialized, "src/domain/alert.rs", "#[derive(Debug, Clone)]", 0),
        (domain_is_not_serialized, "src/domain/alert.rs", "#[derive(Serialize)]", 1),
        (files_are_short, "src/http/mod.rs", &fine, 0),
        (files_are_short, "src/http/mod.rs", &long, 1),
        (files_are_short, "src/main.rs", &main, 1),
        (modules_introduce_themselves, "src/http/mod.rs", "//! Serves.", 0),
        (modules_introduce_themselves, "src/http/mod.rs", "use std::fmt;", 1),
        (modules_introduce_themselves, "deploy/a.yaml", "a: 1", 0),
        (nothing_is_left_for_later, "src/http/mod.rs", "fn f() { todo!() }", 1),
        (nothing_is_left_for_later, "README.md", "FIXME: say more", 1),
        (nothing_is_left_for_later, "src/http/mod.rs", "fn f() {}", 0),
        (no_machine_shows, "deploy/a.yaml", "path: /etc/larkhorn", 0),
        (no_machine_shows, "deploy/a.yaml", "path: /home/lin/larkhorn", 1),
        (no_machine_shows, "deploy/a.yaml", concat!("path: ", env!("CARGO_MANIFEST_DIR"), "/rules"), 1),
    ];
    for (n, (law, path, text, found)) in cases.iter().enumerate() {
        let violations = law(&File::new(path, text));
        assert_eq!(violations.len(), *found, "case {n}, {path}: {text:.80}\n{}", violations.join("\n"));
    }
}

#[test]
fn a_stranger_at_the_top_is_noticed() {
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert!(top_level_is_as_agreed(&names(&["src", ".ci", "LICENSE"])).is_empty());
    assert_eq!(top_level_is_as_agreed(&names(&["src", "docs", "build.rs"])).len(), 2);
}
