//! The command line as scripts see it: exit codes, and complaints of one line
//! that name the way out.

use std::fs;
use std::io::{Read, Seek, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use larkhorn::domain::Urgent;
use tempfile::TempDir;

use crate::pager::{LARKHORN, write_settings};
use crate::patience::PATIENCE;
use crate::phones::{CHAT, LIN, Phones};
use crate::ports::free_address;
use crate::process::Process;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// What the demo may take, on a busy machine too.
const DEMO: Duration = Duration::from_secs(10);

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) complaints: Vec<String>,
}

/// Runs a command to its end, in a folder and with nothing in its environment
/// but `env`. One that does not end is killed and has no code.
pub(crate) fn run(folder: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Ran {
    run_with(folder, env, arguments, b"")
}

/// The same with something on standard input.
pub(crate) fn run_with(folder: &Path, env: &[(&str, &str)], arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = Command::new(LARKHORN);
    command.args(arguments).env_clear().envs(env.iter().copied()).current_dir(folder);
    let mut given = tempfile::tempfile().unwrap();
    given.write_all(input).unwrap();
    given.rewind().unwrap();
    let mut child = command.stdin(given).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let listen = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    // Both are drained meanwhile: a full pipe would hold the child up.
    let (out, errors) = (listen(Box::new(out)), listen(Box::new(errors)));
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(child.kill());
    let status = child.wait().unwrap();
    let complaints = errors.join().unwrap().lines().map(str::to_owned).collect();
    Ran { code: status.code(), out: out.join().unwrap(), complaints }
}

/// A folder with settings and rules that are right.
fn installation(feishu: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), free_address(), feishu);
    folder
}

/// A start that is refused.
struct Refusal {
    /// In place of the settings' `store.url`.
    store: Option<&'static str>,
    /// Of `serve`.
    arguments: String,
    /// What the complaint says.
    words: Vec<String>,
}

impl Refusal {
    fn of(arguments: &str, words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { store: None, arguments: arguments.to_owned(), words }
    }

    fn with_store(self, url: &'static str) -> Self {
        Self { store: Some(url), ..self }
    }
}

#[test]
fn a_server_that_cannot_start_says_why_and_what_to_do() {
    let folder = installation("http://127.0.0.1:1");
    let at = folder.path();
    fs::create_dir(at.join("taken.db")).unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = holder.local_addr().unwrap().to_string();
    fs::write(at.join("no-secret.yaml"), "feishu: {app_id: cli_real}\n").unwrap();
    fs::write(at.join("no-token.yaml"), "feishu: {app_id: cli_real, app_secret: secret}\n").unwrap();
    let refusals = [
        Refusal::of("--rules nowhere", &["nowhere", "`--rules`"]),
        Refusal::of("--config nowhere.yaml", &["nowhere.yaml"]),
        Refusal::of("--config no-secret.yaml", &["feishu.app_secret", "LARKHORN__FEISHU__APP_SECRET_FILE"]),
        Refusal::of("--config no-token.yaml --listen 0.0.0.0:0", &["webhook.bearer_token", "127.0.0.1"]),
        Refusal::of(&format!("--listen {held}"), &[&held, "another process", "server.listen"]),
        Refusal::of("", &["nowhere", "store.url"]).with_store("sqlite://nowhere/larkhorn.db"),
        Refusal::of("", &["taken.db", "store.url"]).with_store("sqlite://taken.db"),
        Refusal::of("", &["store.url", "sqlite://"]).with_store("mysql://root@db/larkhorn"),
    ];
    for Refusal { store, arguments, words } in refusals {
        let env = store.map(|url| ("LARKHORN__STORE__URL", url));
        let line = format!("serve {arguments}");
        let ran = run(at, env.as_slice(), &line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(ran.code, Some(1), "{line}: {ran:?}");
        let [complaint] = ran.complaints.as_slice() else { panic!("{line}: {ran:?}") };
        for word in words {
            assert!(complaint.contains(&word), "{line} does not say {word:?}: {complaint}");
        }
    }
}

#[test]
fn one_database_has_one_server() {
    let folder = installation("http://127.0.0.1:1");
    let mut command = Command::new(LARKHORN);
    let first = Process::start("first", command.arg("serve").env_clear().current_dir(&folder), folder.path());
    let began = Instant::now();
    while !first.log().contains("larkhorn is up") {
        assert!(began.elapsed() < PATIENCE, "the first server is not up");
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = run(folder.path(), &[], &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    let [complaint] = second.complaints.as_slice() else { panic!("{second:?}") };
    assert!(complaint.contains("in use by another larkhorn"), "{complaint}");
}

#[test]
fn check_tells_good_rules_from_bad_ones() {
    let here = Path::new(REPOSITORY);
    for good in ["rules", "rules/oncall.yaml", "tests/rules/good/everything.yaml"] {
        let ran = run(here, &[], &["check", good]);
        assert_eq!((ran.code, ran.complaints.len()), (Some(0), 0), "check {good}: {ran:?}");
        assert!(ran.out.starts_with(good), "{ran:?}");
    }
    let mut bad = 0;
    for entry in fs::read_dir(here.join("tests/rules/bad")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".expected") || name.starts_with("lint-") {
            continue;
        }
        bad += 1;
        let path = path.to_str().unwrap();
        let ran = run(here, &[], &["check", path]);
        assert_eq!(ran.code, Some(1), "check {path}: {ran:?}");
        let places = ran.complaints.iter().filter(|line| line.starts_with(&format!("error: {path}")));
        assert_ne!(places.count(), 0, "check {path} names no place: {ran:?}");
    }
    assert_ne!(bad, 0);
    let leaky = "tests/rules/good/leaky.yaml";
    let ran = run(here, &[], &["check", leaky]);
    assert!(ran.code == Some(0) && ran.complaints[0].starts_with("warning[no-match-all]: "), "{ran:?}");
    assert_eq!(run(here, &[], &["check", leaky, "--deny-warnings"]).code, Some(1));
    let ran = run(here, &[], &["check", "-o", "json", "tests/rules/bad/unknown-key.yaml"]);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, found["ok"].as_bool()), (Some(1), Some(false)), "{ran:?}");
}

/// What `check -o json` says of rules: `rules.yaml:3:5 code` for each warning.
fn warned_of(rules: &str) -> Vec<String> {
    let at = ["--at", "2026-11-22T10:00:00Z"];
    let ran = run(Path::new(REPOSITORY), &[], &["check", "-o", "json", at[0], at[1], rules]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let warnings = found["warnings"].as_array().unwrap().iter().map(|warning| {
        let text = |field: &str| warning[field].as_str().unwrap().to_owned();
        assert_eq!(text("severity"), "warning");
        assert!(!text("message").is_empty(), "{warning}");
        let file = text("file").replace(&format!("{rules}/"), "");
        format!("{file}:{}:{} {}", warning["line"], warning["column"], text("code"))
    });
    warnings.collect()
}

#[test]
fn three_folders_of_bad_rules_show_every_lint_at_its_place() {
    let cases = [
        (
            "tests/rules/bad/lint-rules",
            &[
                "rules.yaml:4:3 shared-id",
                "rules.yaml:5:17 odd-id",
                "rules.yaml:9:12 unreachable-rule",
                "rules.yaml:11:12 unreachable-rule",
                "rules.yaml:14:12 unreachable-rule",
                "rules.yaml:15:12 contradictory-matchers",
                "rules.yaml:16:12 no-match-all",
                "rules.yaml:16:36 unknown-severity",
                "rules.yaml:16:90 grouped-by-severity",
            ][..],
        ),
        (
            "tests/rules/bad/lint-ladders",
            &[
                "rules.yaml:6:3 calendar-ends",
                "rules.yaml:8:3 schedule-gap",
                "rules.yaml:23:9 rotation-starvation",
                "rules.yaml:25:9 rotation-starvation",
                "rules.yaml:26:3 schedule-gap",
                "rules.yaml:34:9 calendar-ends",
                "rules.yaml:34:16 calendar-stranger",
                "rules.yaml:35:16 unread-calendar",
                "rules.yaml:37:3 no-catch-all",
                "rules.yaml:39:9 person-twice",
                "rules.yaml:40:16 person-twice",
                "rules.yaml:40:16 short-wait-after-phone",
                "rules.yaml:41:9 empty-step",
                "rules.yaml:42:9 empty-step",
                "rules.yaml:43:9 person-twice",
                "rules.yaml:43:16 short-wait-after-phone",
                "rules.yaml:44:9 step-adds-nothing",
                "rules.yaml:47:40 budget-below-ladder",
                "rules.yaml:47:57 budget-below-ladder",
            ],
        ),
        (
            "tests/rules/bad/lint-cards",
            &[
                "rules.yaml:5:62 unknown-template",
                "templates/zh-CN/huge.hbs:1:1 card-too-large",
                "templates/zh-CN/unclosed.hbs:3:1 broken-template",
                "templates/zh-CN/unlucky.hbs:2:35 broken-template",
            ],
        ),
    ];
    let mut shown: Vec<String> = Vec::new();
    for (rules, expected) in cases {
        let mut found = warned_of(rules);
        found.sort();
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.sort();
        assert_eq!(found, expected, "{rules}");
        shown.extend(found.iter().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())));
        assert_eq!(run(Path::new(REPOSITORY), &[], &["check", "--deny-warnings", rules]).code, Some(1));
    }
    let list = run(Path::new(REPOSITORY), &[], &["check", "--lints"]);
    let names: Vec<&str> = list.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 15, "{list:?}");
    for name in names {
        assert!(shown.iter().any(|code| code == name), "no folder shows {name}");
    }
}

#[test]
fn a_mistake_is_shown_in_its_line() {
    let ran = run(Path::new(REPOSITORY), &[], &["check", "tests/rules/bad/unknown-key.yaml"]);
    let path = "tests/rules/bad/unknown-key.yaml";
    let expected = [
        &format!("error: {path}:6:5: unknown key \"notfy\"; did you mean \"notify\"?"),
        " 6 |     notfy: [lin]",
        "   |     ^",
    ];
    assert_eq!(ran.complaints, expected);
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [&[&str]; 5] =
        [&[], &["serve", "--nonsense"], &["nonsense"], &["send-test"], &["serve", "--listen", "here"]];
    for arguments in wrong {
        assert_eq!(run(folder.path(), &[], arguments).code, Some(2), "{arguments:?}");
    }
    for arguments in [["--help"], ["--version"]] {
        let ran = run(folder.path(), &[], &arguments);
        assert!(ran.code == Some(0) && ran.out.contains("larkhorn") && ran.complaints.is_empty(), "{ran:?}");
    }
}

#[test]
fn the_demo_is_quick_and_leaves_nothing_behind() {
    let (folder, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let env = [("TMPDIR", temporary.path().to_str().unwrap())];
    let began = Instant::now();
    let ran = run(folder.path(), &env, &["demo", "--once"]);
    let took = began.elapsed();
    assert_eq!((ran.code, ran.complaints.len()), (Some(0), 0), "{ran:?}");
    assert!(took < DEMO, "the demo took {took:?}");
    assert!(
        ran.out.contains("Mara's phone rings") && ran.out.contains("the same card turns green"),
        "{ran:?}"
    );
    for left in [&folder, &temporary] {
        let names: Vec<_> = fs::read_dir(left).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.is_empty(), "left behind: {names:?}");
    }
    let chinese = run(folder.path(), &[env[0], ("LANG", "zh_CN.UTF-8")], &["demo", "--once"]);
    assert!(chinese.code == Some(0) && chinese.out.contains("同一张卡片变绿"), "{chinese:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn send_test_sends_a_card_and_buzzes() {
    let phones = Phones::on();
    let folder = installation(&phones.url());
    let send_test = |arguments: &[&str]| run(folder.path(), &[], &[&["send-test"], arguments].concat());

    let ran = send_test(&["--chat", "oncall", "--person", "lin", "--urgent", "phone"]);
    assert_eq!((ran.code, ran.complaints.len()), (Some(0), 0), "{ran:?}");
    let cards = phones.cards();
    assert_eq!(cards.len(), 1);
    assert!(ran.out.contains(&cards[0].message) && ran.out.contains(CHAT), "{ran:?}");
    assert_eq!(phones.buzzes(&cards[0], LIN), [Urgent::Phone]);

    let direct = send_test(&["--person", "mara", "--urgent", "none"]);
    assert_eq!(direct.code, Some(0), "{direct:?}");
    assert_eq!(phones.sandbox.buzzes().len(), 1);

    let unknown = send_test(&["--person", "nobody"]);
    let [complaint] = unknown.complaints.as_slice() else { panic!("{unknown:?}") };
    assert!(unknown.code == Some(1) && complaint.contains("lin, mara"), "{complaint}");

    phones.sandbox.remove_bot(CHAT);
    let refused = send_test(&["--chat", "oncall"]);
    let [complaint] = refused.complaints.as_slice() else { panic!("{refused:?}") };
    assert!(refused.code == Some(1) && complaint.contains("230002"), "{complaint}");
}
