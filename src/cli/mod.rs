//! The command line: one file per subcommand, and the only room that prints.
//!
//! Exit codes: 0 fine, 1 the thing checked is bad or could not be done, 2 wrong
//! usage. Results go to standard output, complaints and logs to standard error.

mod backup;
mod calendar;
mod check;
mod columns;
mod completions;
mod demo;
mod doctor;
mod explain;
mod fake_feishu;
mod incidents;
mod man;
mod oncall;
mod output;
mod replay;
mod scene;
mod schema;
mod send_test;
mod serve;
mod server;
mod simulate;
mod tap;
mod test;
mod when;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::{self, Settings};
use crate::telemetry::{self, LogFormat};

#[derive(Debug, Parser)]
#[command(name = "larkhorn", version, about = ABOUT, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    /// Settings file (default: larkhorn.yaml, if there is one)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is logged: a level, or a list such as info,larkhorn=debug
    /// (default: info for serve, error for the others)
    #[arg(long, global = true, value_name = "FILTER", value_parser = log_filter)]
    log_level: Option<String>,
    /// How it is logged
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogStyle,
    #[command(subcommand)]
    command: Command,
}

const ABOUT: &str = "\
A self-hosted pager on Feishu/Lark: alerts become live cards, buzzes and pins.
用飞书/Lark 自建值班呼叫：告警变成实时卡片、加急与置顶。";

const EXAMPLES: &str = "Examples:
  larkhorn demo                          see it work: no account, no configuration, no network
  larkhorn check rules                   are the rules right?
  larkhorn test rules/tests/oncall.yaml  do they do what they should?
  larkhorn simulate --rules rules --payload payload.json
  larkhorn serve --config larkhorn.yaml  page people
  larkhorn send-test --person lin --urgent phone";

fn log_filter(text: &str) -> Result<String, String> {
    telemetry::check_filter(text).map(|()| text.to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogStyle {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take alerts and page people, until SIGTERM or Ctrl-C; SIGHUP reads the rules again
    Serve(serve::Options),
    /// Play a short story against a fake Feishu and show it on two phones
    Demo(demo::Options),
    /// Copy the SQLite store to a file, while the pager runs
    Backup(backup::Options),
    /// Check rules for mistakes
    Check(check::Options),
    /// Show who would be woken by a payload: when, how loudly, and why
    Simulate(simulate::Options),
    /// Run unit tests of rules
    Test(test::Options),
    /// Play kept webhooks through old and new rules: who would have been paged differently?
    Replay(replay::Options),
    /// List incidents of a running server, and act on them
    Incidents(incidents::Options),
    /// Watch what comes in and what is decided on a running server
    Tap(tap::Options),
    /// Print what a shell completes the command line with
    Completions(completions::Options),
    /// Print the manual
    Man(man::Options),
    /// Is everything set up: Feishu, chats, people, Alertmanager, the store?
    Doctor(doctor::Options),
    /// Whose is this alert, why, and who would be paged?
    Explain(explain::Options),
    /// Send a test card, and buzz somebody about it for real
    SendTest(send_test::Options),
    /// Who is on call, now and in the days to come?
    Oncall(oncall::Options),
    /// Print the JSON Schema of rules or settings, for editors
    Schema(schema::Options),
    /// Run a fake Feishu that takes any app id and secret
    FakeFeishu(fake_feishu::Options),
}

/// The command line, to be looked at: what there is, and its help.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the command that the arguments name.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(refused) => return output::usage(&refused),
    };
    let run = || {
        let env = readable(env)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(dispatch(arguments, env));
        // Whatever a thread is still at (a calendar that takes for ever) is waited for by nobody.
        runtime.shutdown_background();
        ended
    };
    run().unwrap_or_else(|error| {
        output::complain(&format!("larkhorn: {error:#}"));
        ExitCode::FAILURE
    })
}

/// The variables that are text. One of ours that is not is an error; those of
/// others are none of our business.
fn readable(env: impl IntoIterator<Item = (OsString, OsString)>) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for (name, value) in env {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            // Its value may be a secret.
            Err(_) if settings::is_ours(&name) => {
                anyhow::bail!("environment variable {name}: its value is not UTF-8")
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

async fn dispatch(arguments: Arguments, env: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let words = words::Words::of_env(&env);
    let format = match arguments.log_format {
        LogStyle::Text => LogFormat::Text,
        LogStyle::Json => LogFormat::Json,
    };
    let paint = output::Paint::of_env(&env);
    let user =
        env.iter().find(|(name, value)| name == "USER" && !value.is_empty()).map(|(_, user)| user.clone());
    let rehearses = matches!(arguments.command, Command::Simulate(_) | Command::Test(_) | Command::Replay(_));
    let usual = if matches!(arguments.command, Command::Serve(_)) {
        "info"
    } else if rehearses {
        // What goes wrong on the stage is part of what is shown.
        "off"
    } else {
        "error"
    };
    telemetry::init_logs(format, arguments.log_level.as_deref().unwrap_or(usual))
        .map_err(anyhow::Error::msg)?;
    let named = arguments.config.is_some();
    let settings = || Settings::load(arguments.config.as_deref(), env);
    match arguments.command {
        Command::Serve(options) => serve::run(options, settings()?).await,
        Command::Demo(options) => demo::run(options, words).await,
        Command::Backup(options) => backup::run(options, settings()?).await,
        Command::Check(options) => check::run(&options, settings).await,
        Command::Simulate(options) => simulate::run(options, (named, settings), words, paint).await,
        Command::Test(options) => test::run(options, settings, paint).await,
        Command::Replay(options) => replay::run(options, settings, paint).await,
        Command::Incidents(options) => incidents::run(options, settings, user, paint).await,
        Command::Tap(options) => tap::run(options, settings, paint).await,
        Command::Completions(options) => Ok(completions::run(&options, command())),
        Command::Man(options) => man::run(&options, command()),
        Command::Doctor(options) => doctor::run(&options, &settings()?).await,
        Command::Explain(options) => explain::run(&options, &settings()?).await,
        Command::SendTest(options) => send_test::run(options, settings()?).await,
        Command::Oncall(options) => oncall::run(&options, &settings()?).await,
        Command::Schema(options) => schema::run(&options),
        Command::FakeFeishu(options) => fake_feishu::run(options).await,
    }
}

/// Ends at Ctrl-C or SIGTERM, which do nothing else from now on.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn usage_is_judged_before_anything_runs() {
        let judged = |line: &str| Arguments::try_parse_from(line.split_whitespace()).map(drop);
        for line in [
            "larkhorn serve --listen localhost:9119",
            "larkhorn serve --listen :0",
            "larkhorn fake-feishu --listen [::1]:0",
            "larkhorn --log-level info,larkhorn=trace demo",
            "larkhorn send-test --chat sre",
            "larkhorn send-test --person lin --urgent phone",
            "larkhorn send-test --chat sre --person lin",
        ] {
            assert!(judged(line).is_ok(), "{line}: {:?}", judged(line));
        }
        for (line, why) in [
            ("larkhorn serve --listen 9119", "127.0.0.1:9119"),
            ("larkhorn check --log-level larkhorn=loud", "larkhorn=debug"),
            ("larkhorn send-test", "--chat <NAME>"),
            ("larkhorn send-test --urgent phone", "--person <NAME>"),
            ("larkhorn send-test --chat sre --urgent phone", "--person <NAME>"),
            ("larkhorn send-test --person lin --urgent loud", "none, app, sms, phone"),
        ] {
            let error = judged(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(why), "{line}: {error}");
        }
    }

    #[tokio::test]
    async fn a_signal_is_heeded_though_nobody_waits_for_it_yet() {
        for name in ["-INT", "-TERM"] {
            let told = told_to_stop().unwrap();
            let this = std::process::id().to_string();
            assert!(std::process::Command::new("kill").args([name, &this]).status().unwrap().success());
            told.await;
        }
    }

    #[test]
    fn only_variables_of_ours_have_to_be_text() {
        let broken = || OsString::from_vec(vec![0xff]);
        let foreign = [(broken(), "x".into()), ("JUNK".into(), broken()), ("LANG".into(), "C".into())];
        assert_eq!(readable(foreign).unwrap(), [("LANG".to_owned(), "C".to_owned())]);
        let error = readable([("LARKHORN__FEISHU__APP_SECRET".into(), broken())]).unwrap_err();
        assert!(error.to_string().contains("LARKHORN__FEISHU__APP_SECRET"), "{error}");
    }
}
