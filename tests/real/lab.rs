//! The examples that the help of the commands of the rule lab prints run as printed.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command_line::run;
use crate::pager::{LARKHORN, write_settings};
use crate::patience::eventually;
use crate::phones::{MARA, Phones};
use crate::ports::free_address;

/// Whose examples are run here.
pub(crate) const COMMANDS: [&str; 5] = ["check", "explain", "oncall", "schema", "doctor"];
const SCHEDULE: &str = "schedules:\n  db: {timezone: Asia/Shanghai, layers: [{rotate: weekly, at: \"mon 10:00\", who: [lin, mara]}]}\n";
const PAYLOAD: &str = include_str!("../payloads/am-0.33_single-firing.json");

/// The lines of the help that are commands.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| !line.starts_with("Examples:")).skip(1);
    let lines = lines.take_while(|line| !line.trim().is_empty());
    lines.map(|line| line.trim().to_owned()).filter(|line| line.starts_with("larkhorn ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_runs_as_printed() {
    let phones = Phones::on();
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), free_address(), &phones.url());
    fs::write(folder.path().join("rules/schedules.yaml"), SCHEDULE).unwrap();
    fs::write(folder.path().join("payload.json"), PAYLOAD).unwrap();
    let bin = std::path::Path::new(LARKHORN).parent().unwrap().to_owned();
    let mut ran = 0;
    for command in COMMANDS {
        let help = run(folder.path(), &[], &[command, "--help"]);
        let examples = examples(&help.out);
        assert!(!examples.is_empty(), "{command} --help shows no example: {}", help.out);
        for example in examples {
            let mut shell = Command::new("sh");
            shell.args(["-c", &example]).env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
            shell
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let child = shell.spawn().unwrap();
            if example.contains("--click") {
                eventually("the card of --click", async || !phones.cards().is_empty()).await;
                let card = phones.cards().remove(0).message;
                phones.sandbox.press(&card, MARA, "acknowledge").await.unwrap();
            }
            let output = tokio::task::spawn_blocking(move || child.wait_with_output());
            let output =
                tokio::time::timeout(Duration::from_mins(1), output).await.unwrap().unwrap().unwrap();
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(0), "{example}\n{out}\n{err}");
            ran += 1;
        }
    }
    assert!(ran > 12, "{ran}");
    let ics = fs::read_to_string(folder.path().join("oncall.ics")).unwrap();
    assert!(ics.starts_with("BEGIN:VCALENDAR\r\n") && ics.contains("SUMMARY:db: mara"), "{ics}");
}

#[test]
fn the_on_call_plan_is_told_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "people: {王伟: {open_id: ou_1}, lin: {open_id: ou_2}}\nchats: {sre: oc_sre}\nschedules:\n  \
                 数据库: {timezone: Asia/Shanghai, layers: [{rotate: weekly, at: \"mon 10:00\", who: [王伟, lin]}]}\n  \
                 office: {timezone: Asia/Shanghai, layers: [{who: lin, hours: \"09:00-18:00\"}]}\n\
                 rules: [{name: all, chat: sre}]\n";
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let oncall = |more: &[&str]| {
        let at = ["oncall", "--rules", "rules.yaml", "--at", "2026-11-24T12:00:00Z"];
        run(folder.path(), &[], &[&at[..], more].concat())
    };
    let now = oncall(&[]);
    let expected = "office  ! nobody  until Wed 2026-11-25 09:00 +08:00\n\
                    数据库  lin       until Mon 2026-11-30 10:00 +08:00\n";
    assert_eq!((now.code, now.out.as_str()), (Some(0), expected), "{now:?}");
    let table = oncall(&["office", "--for", "1d"]);
    let expected = "office (Asia/Shanghai)\n\
                    \u{20} Tue 2026-11-24 20:00 +08:00  Wed 2026-11-25 09:00 +08:00  ! nobody\n\
                    \u{20} Wed 2026-11-25 09:00 +08:00  Wed 2026-11-25 18:00 +08:00  lin       layer 1\n\
                    \u{20} Wed 2026-11-25 18:00 +08:00  Wed 2026-11-25 20:00 +08:00  ! nobody\n";
    assert_eq!((table.code, table.out.as_str()), (Some(0), expected), "{table:?}");
    let said: serde_json::Value = serde_json::from_str(&oncall(&["-o", "json", "--for", "1d"]).out).unwrap();
    assert_eq!(said["schedules"][0]["gaps"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!(said["schedules"][1]["shifts"][0]["people"][0], "lin", "{said}");
    let uids = |more: &[&str]| -> Vec<String> {
        let ics = oncall(&[&["数据库", "-o", "ics"], more].concat()).out;
        ics.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect()
    };
    let (long, short) = (uids(&["--for", "30d"]), uids(&["--for", "3d"]));
    assert!(long.len() > 3 && short.len() == 1 && long[0] == short[0], "{long:?} {short:?}");
    for (wrong, code) in [(&["nobody"][..], 1), (&["--for", "soon"], 2), (&["--for", "9999d"], 2)] {
        assert_eq!(oncall(wrong).code, Some(code), "{wrong:?}");
    }
}
