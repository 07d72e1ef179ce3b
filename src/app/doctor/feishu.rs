//! The app itself: does Feishu let it in, is its bot on, what may it do?

use std::collections::BTreeSet;

use super::{Check, Patient};
use crate::domain::{Contact, Urgent};
use crate::feishu::{Need, SCOPES, Scope, UserId, Verdict};
use crate::rules::RuleSet;
use crate::settings::Events;

/// Callbacks and signatures are good for five minutes; half of that is time to act.
const SKEW_WARN_SECONDS: i64 = 30;
const SKEW_FAIL_SECONDS: i64 = 150;

/// Whether the app is let in, so that there is anything more to ask.
pub(super) async fn look(patient: &Patient<'_>, tell: &mut (dyn FnMut(Check) + Send)) -> bool {
    clock(patient, tell).await;
    if !bot(patient, tell).await {
        return false;
    }
    scopes(patient, tell).await;
    long_connection(patient, tell).await;
    true
}

async fn clock(patient: &Patient<'_>, tell: &mut (dyn FnMut(Check) + Send)) {
    const NAME: &str = "clock";
    let mend = "set this machine's clock by NTP (chrony, systemd-timesyncd)";
    tell(match patient.client.clock_ahead(patient.now).await {
        Err(error) => Check::skip(NAME, format!("Feishu does not answer: {error}")),
        Ok(None) => Check::skip(NAME, "Feishu's answer tells no time"),
        Ok(Some(ahead)) => {
            let seconds = ahead.as_secs().abs();
            let which = if ahead.is_negative() { "ahead of" } else { "behind" };
            let why = format!("this machine's clock is {seconds} s {which} Feishu's");
            match seconds {
                SKEW_FAIL_SECONDS.. => Check::fail(NAME, why, mend),
                SKEW_WARN_SECONDS.. => Check::warn(NAME, why, mend),
                _ => Check::ok(NAME, why),
            }
        }
    });
}

/// Credentials and the bot, which one call tells.
async fn bot(patient: &Patient<'_>, tell: &mut (dyn FnMut(Check) + Send)) -> bool {
    let app = patient.client.app_id();
    let bot = match patient.client.bot_info(patient.now).await {
        Ok(bot) => bot,
        Err(error) => {
            let mend = if error.verdict == Verdict::Credentials {
                "copy App ID and App Secret from the console's page Credentials; Feishu and Lark \
                 (feishu.base_url) are separate"
            } else {
                "does this machine reach feishu.base_url, through its proxy (HTTPS_PROXY) if it has one?"
            };
            tell(Check::fail("credentials", format!("{app}: {error}"), mend));
            tell(Check::skip("bot", "Feishu does not let the app in"));
            return false;
        }
    };
    tell(Check::ok("credentials", format!("Feishu lets {app} in")));
    tell(if bot.is_active() {
        Check::ok("bot", format!("{:?} is on", bot.name))
    } else {
        let mend = "switch the bot ability on in the console, publish a version and have it approved";
        Check::fail("bot", format!("{:?} is off or not published", bot.name), mend)
    });
    bot.is_active()
}

/// What these settings and rules need.
fn needs(patient: &Patient<'_>) -> BTreeSet<Need> {
    let mut needs = BTreeSet::from([Need::Always, Need::Survey]);
    if patient.settings.feishu.events != Events::Off {
        needs.insert(Need::Answers);
    }
    let Some(rules) = patient.rules else { return needs };
    let loudest = rules.severities().iter().map(|row| row.urgent).max().unwrap_or_default();
    for (urgent, need) in [(Urgent::App, Need::App), (Urgent::Sms, Need::Sms), (Urgent::Phone, Need::Phone)] {
        if loudest >= urgent {
            needs.insert(need);
        }
    }
    let pins = |rules: &RuleSet| {
        rules.severities().iter().any(|row| row.pin)
            || rules.rules().iter().any(|rule| rule.pin == Some(true))
    };
    let by_address = |contact: &Contact| UserId::of(contact).is_none();
    for (wanted, need) in [
        (pins(rules), Need::Pin),
        (rules.people().any(|person| by_address(&person.contact)), Need::LookUp),
        (rules.rules().iter().any(|rule| rule.invite), Need::Invite),
    ] {
        if wanted {
            needs.insert(need);
        }
    }
    needs
}

async fn scopes(patient: &Patient<'_>, tell: &mut (dyn FnMut(Check) + Send)) {
    let granted = match patient.client.granted_scopes(patient.now).await {
        Ok(granted) => granted,
        Err(error) => {
            tell(Check::warn(
                "scopes",
                format!("they cannot be told: {error}"),
                "look at the console's page Permissions",
            ));
            return;
        }
    };
    let needs = needs(patient);
    let needed: Vec<&Scope> = SCOPES.iter().filter(|scope| needs.contains(&scope.need)).collect();
    let missing: Vec<&&Scope> = needed.iter().filter(|scope| !scope.is_among(&granted)).collect();
    if missing.is_empty() {
        tell(Check::ok("scopes", format!("all {} that are needed are granted", needed.len())));
        return;
    }
    let names: BTreeSet<&str> = needed.iter().map(|scope| scope.name).collect();
    for scope in missing {
        let name = format!("scope:{}", scope.name);
        let mend = format!(
            "console, page Permissions, batch import: {}; then publish a version and have it approved",
            Scope::to_paste(&names)
        );
        let why = format!("not granted: {}", scope.breaks);
        tell(match scope.need {
            Need::Survey | Need::Answers | Need::Pin => Check::warn(name, why, mend),
            Need::Always | Need::App | Need::Sms | Need::Phone | Need::LookUp | Need::Invite => {
                Check::fail(name, why, mend)
            }
        });
    }
}

/// Opens a long connection and closes it at once.
async fn long_connection(patient: &Patient<'_>, tell: &mut (dyn FnMut(Check) + Send)) {
    const NAME: &str = "long_connection";
    match patient.settings.feishu.events {
        Events::LongConnection => {}
        Events::Http => {
            tell(Check::skip(NAME, "feishu.events is http: events come as callbacks"));
            return;
        }
        Events::Off => {
            tell(Check::skip(NAME, "feishu.events is off"));
            return;
        }
    }
    tell(match patient.client.open_long_connection().await {
        Ok(_) => Check::ok(NAME, "the handshake works"),
        Err(error) => Check::fail(
            NAME,
            error.to_string(),
            "choose the long connection under Events and Callbacks in the console, both for events and callbacks; \
             proxies must let WebSockets through",
        ),
    });
}
