//! What can be told without Feishu: the store, gaps, budgets, Alertmanager.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::Check;
use crate::app::{RuleFiles, connect_alertmanager};
use crate::domain::Urgent;
use crate::rules::{BUDGET_BELOW_LADDER, RuleSet, Warning};
use crate::settings::{Settings, StoreUrl};
use crate::store::postgres;
use crate::store::sqlite::{Probe, probe};

/// How far ahead gaps matter here.
const AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Whether the store can be written. One in use by a running larkhorn is left alone.
pub(super) fn store(settings: &Settings, tell: &mut (dyn FnMut(Check) + Send)) {
    let path = match &settings.store.url {
        StoreUrl::Sqlite(path) => path,
        StoreUrl::Postgres(url) => return tell(database(url, settings.store.password.as_ref())),
    };
    let shown = path.display();
    tell(match probe(path) {
        Ok(Probe::Writable) => Check::ok("store", format!("{shown} can be written")),
        Ok(Probe::New) => Check::ok("store", format!("{shown} will be made at the first start")),
        Ok(Probe::InUse) => Check::ok("store", format!("{shown} is in use by a running larkhorn")),
        Err(error) => Check::fail(
            "store",
            error.to_string(),
            "give the user that runs larkhorn that folder, or name another file in store.url",
        ),
    });
}

fn database(url: &SecretString, password: Option<&SecretString>) -> Check {
    // It blocks, which async threads must not.
    let looked = std::thread::scope(|scope| scope.spawn(|| postgres::probe(url, password)).join());
    match looked {
        Ok(Ok(found)) => Check::ok("store", found),
        Ok(Err(error)) => Check::fail(
            "store",
            error.to_string(),
            "see that the server runs, and that store.url and store.password name a database and a user of it",
        ),
        Err(_) => Check::fail("store", "looking at it failed", "tell the authors of larkhorn"),
    }
}

/// Whether the shared calendars that the rules name can be read.
pub(super) fn calendars(files: &RuleFiles, tell: &mut (dyn FnMut(Check) + Send)) {
    for (address, copy) in files.calendars() {
        let name = format!("calendar:{address}");
        tell(match copy {
            Ok(copy) => Check::ok(name, format!("{} bytes, and it can be understood", copy.text.len())),
            Err(why) => Check::fail(
                name,
                why.clone(),
                "see `ical:` in the rules; without it nobody is on call by that layer, but for the copy that a \
                 running larkhorn has kept",
            ),
        });
    }
}

/// Times when nobody is on call, by schedule.
pub(super) fn gaps(rules: &RuleSet, now: Timestamp, tell: &mut (dyn FnMut(Check) + Send)) {
    let end = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    for schedule in rules.schedules() {
        let name = format!("oncall:{schedule}");
        let gaps = rules.gaps(schedule, now, end);
        let Some(first) = gaps.first() else {
            tell(Check::ok(name, "somebody is on call at all times of the next 14 days"));
            continue;
        };
        let zone = rules.schedule_zone(schedule).cloned().unwrap_or(jiff::tz::TimeZone::UTC);
        let wall = |at: Timestamp| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string();
        let more =
            if gaps.len() > 1 { format!(", and {} more times", gaps.len() - 1) } else { String::new() };
        let why =
            format!("nobody is on call from {} to {}{more} within 14 days", wall(first.from), wall(first.to));
        let mend =
            format!("add a layer below the others; `larkhorn oncall {schedule} --for 14d` shows all gaps");
        tell(Check::warn(name, why, mend));
    }
}

/// Whether calls and text messages are limited, and not below what a policy needs.
pub(super) fn budgets(rules: &RuleSet, warnings: &[Warning], tell: &mut (dyn FnMut(Check) + Send)) {
    for channel in [Urgent::Phone, Urgent::Sms] {
        let name = format!("budget:{channel}");
        let used = rules.severities().iter().any(|row| row.urgent >= channel);
        let what = if channel == Urgent::Phone { "phone calls" } else { "text messages" };
        let limit = rules.budget().of(channel).and_then(|limits| limits.month);
        let low = warnings.iter().find(|warning| {
            let kind = if channel == Urgent::Phone { "phone call" } else { "text message" };
            warning.code == BUDGET_BELOW_LADDER && warning.message.contains(kind)
        });
        tell(match (used, low, limit) {
            (false, _, _) => Check::skip(name, format!("no severity is loud enough for {what}")),
            (true, Some(low), _) => Check::warn(name, low.problem(), low.hint().unwrap_or_default()),
            (true, None, Some(month)) => Check::ok(name, format!("{month} {what} a month at most")),
            (true, None, None) => Check::warn(
                name,
                format!("{what} are not limited, and Feishu tells nobody how many are left"),
                format!("set budget.{channel}.month to what the tenant has bought"),
            ),
        });
    }
}

/// Whether Alertmanager answers, if there is to be one.
pub(super) async fn alertmanager(settings: &Settings, tell: &mut (dyn FnMut(Check) + Send)) {
    const NAME: &str = "alertmanager";
    const MEND: &str =
        "see alertmanager.url in larkhorn.yaml: the address with which this machine reaches it";
    let client = match connect_alertmanager(settings) {
        Ok(Some(client)) => client,
        Ok(None) => {
            tell(Check::skip(NAME, "alertmanager.url is not set: cards have no silence button"));
            return;
        }
        Err(error) => {
            tell(Check::fail(NAME, format!("{error:#}"), MEND));
            return;
        }
    };
    tell(match client.status().await {
        Ok(status) if status.settled => Check::ok(NAME, format!("version {} answers", status.version)),
        Ok(status) => Check::warn(
            NAME,
            format!("version {} answers, but its cluster is still settling", status.version),
            "wait a minute; if it stays so, look at its cluster peers",
        ),
        Err(error) => Check::fail(NAME, error.to_string(), MEND),
    });
}
