//! Feishu's limits: how much of them is used, how often they are hit, and how
//! long a page takes while a storm has used them up.
//!
//! The Feishu is the sandbox with its limits on (50/s and 1000/min of each call,
//! 5/s into each chat, sliding windows), answering after 100 ms. Ten thousand
//! warnings queue up, each a card, a line and a buzz in the app; then single
//! critical alerts fire into a chat that the storm fills, at moments in which
//! the minute is used up and in which it is not.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use larkhorn::app::SystemClock;
use larkhorn::domain::{Clock as _, Urgent};
use larkhorn::sandbox::{Api, Fault, Options, Outcome, Sandbox};

use crate::pager::Pager;
use crate::payload::{body, request};
use crate::table::{head, line, verdict};

const WARNINGS: usize = 10_000;
const PER_WEBHOOK: usize = 1_000;
const CHATS: usize = 50;
const ROUND_TRIP_MS: u64 = 100;
/// Seconds after the first call in which a critical alert fires.
const CRITICAL_AT: [u64; 4] = [5, 35, 50, 62];
/// The minute in which use is measured, in seconds after the first call.
const MEASURED: (i64, i64) = (30, 90);
const CHAT_SECONDS: i64 = 20;
const USE_GOAL: f64 = 0.95;
const REFUSED_GOAL: f64 = 0.01;
const PAGE_GOAL_MS: f64 = 1000.0 + 100.0;

pub(crate) fn run() {
    println!(
        "{WARNINGS} warnings over {CHATS} chats against the sandbox's limits, answers after {ROUND_TRIP_MS} ms. \
         Goals: at least {USE_GOAL} of the rate used, less than {REFUSED_GOAL} of the calls refused; \
         a page within a storm as soon as {PAGE_GOAL_MS:.0} ms after its webhook.\n"
    );
    let feishu = Feishu::start();
    let pager = Pager::start(&rules(), feishu.addr, None);
    for n in 0..WARNINGS / PER_WEBHOOK {
        pager.post(&request(&body(&format!("Storm{n}"), "warning", n * PER_WEBHOOK, PER_WEBHOOK)));
    }
    let begun = feishu.first_call();
    let criticals: Vec<Page> = CRITICAL_AT.iter().map(|second| feishu.page(&pager, begun, *second)).collect();
    Feishu::wait_until(begun, MEASURED.1);
    let storm = feishu.calls(begun, MEASURED);
    drop(pager);

    let pager = Pager::start(&rules(), feishu.addr, None);
    feishu.sandbox.reset();
    feishu.slow();
    pager.post(&request(&body("Single", "info", 0, 400)));
    let begun = feishu.first_call();
    Feishu::wait_until(begun, CHAT_SECONDS + 5);
    let chat = feishu.calls(begun, (5, CHAT_SECONDS + 5));

    head(&["limit", "allowed", "accepted", "share used", "refused", "goals"]);
    for (api, name) in [(Api::Send, "cards"), (Api::Reply, "lines"), (Api::UrgentApp, "app buzzes")] {
        storm.print(&format!("1000/min of one call: {name}"), api, 1000.0);
    }
    chat.print("5/s into one chat", Api::Send, 5.0 * f64::from(i32::try_from(CHAT_SECONDS).unwrap()));
    println!();
    head(&["critical alert in the storm", "card accepted after ms", "phone buzz after ms", "goal"]);
    for page in criticals {
        line(&[
            format!("{} s after its first call", page.second),
            format!("{:.0}", page.card_ms),
            format!("{:.0}", page.buzz_ms),
            verdict(page.buzz_ms <= PAGE_GOAL_MS && page.card_ms <= PAGE_GOAL_MS),
        ]);
    }
}

/// A chat and a person for each of the last two digits of a pod's number; all
/// info into one chat; criticals into the first chat of the storm.
fn rules() -> String {
    let chats: Vec<String> = (0..CHATS).map(|n| format!("c{n}: oc_{n}")).collect();
    let people: Vec<String> = (0..CHATS).map(|n| format!("p{n}: {{open_id: ou_{n}}}")).collect();
    let storm: Vec<String> = (0..CHATS)
        .map(|n| {
            format!(
                "  - {{name: r{n}, match: ['pod=~\".*({:02}|{:02})\"'], group_by: [pod], chat: c{n}, notify: [p{n}]}}\n",
                n,
                n + CHATS
            )
        })
        .collect();
    format!(
        "people: {{boss: {{open_id: ou_boss}}, {}}}\nchats: {{single: oc_single, {}}}\n\
         storm: {{cards_per_minute: 0, share_buzz: 0}}\n\
         severities: [{{name: critical, urgent: phone}}, {{name: warning, urgent: app}}, {{name: info, urgent: none}}]\n\
         rules:\n\
         \x20 - {{name: critical, match: ['severity=\"critical\"'], chat: c0, notify: [boss]}}\n\
         \x20 - {{name: single, match: ['severity=\"info\"'], group_by: [pod], chat: single, notify: [boss]}}\n{}",
        people.join(", "),
        chats.join(", "),
        storm.concat()
    )
}

/// The sandbox behind a web server of its own.
struct Feishu {
    sandbox: Sandbox,
    addr: SocketAddr,
}

/// What became of a critical alert.
struct Page {
    second: u64,
    card_ms: f64,
    buzz_ms: f64,
}

/// Calls of a span of time.
struct Calls {
    all: Vec<(Api, i64)>,
}

impl Feishu {
    fn start() -> Self {
        let options = Options { open_world: true, ..Options::default() };
        let sandbox = Sandbox::new(Arc::new(SystemClock), options);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (addr, served) = (listener.local_addr().unwrap(), sandbox.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let _running = served.serve(listener).unwrap();
                std::future::pending::<()>().await;
            });
        });
        let feishu = Self { sandbox, addr };
        feishu.slow();
        feishu
    }

    fn slow(&self) {
        for api in [Api::Send, Api::Reply, Api::UpdateCard, Api::UrgentApp, Api::UrgentPhone] {
            self.sandbox.inject(Fault { api, times: None, outcome: Outcome::Latency(ROUND_TRIP_MS) });
        }
    }

    fn first_call(&self) -> Timestamp {
        let started = Instant::now();
        loop {
            if let Some(call) = self.sandbox.calls().iter().find(|call| call.api == Api::Send) {
                return call.at;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "nothing is sent");
            sleep(Duration::from_millis(5));
        }
    }

    fn wait_until(begun: Timestamp, second: i64) {
        let end = begun + SignedDuration::from_secs(second);
        while let Ok(left) = Duration::try_from(end.duration_since(SystemClock.now())) {
            if left.is_zero() {
                break;
            }
            sleep(left);
        }
    }

    /// Lets a critical alert fire at that second, and waits for its call.
    fn page(&self, pager: &Pager, begun: Timestamp, second: u64) -> Page {
        Self::wait_until(begun, i64::try_from(second).unwrap());
        let (name, fired) = (format!("Critical{second}"), SystemClock.now());
        let number = 90_000_000 + usize::try_from(second).unwrap();
        pager.post(&request(&body(&name, "critical", number, 1)));
        let after = |at: Timestamp| at.duration_since(fired).as_secs_f64() * 1e3;
        let started = Instant::now();
        loop {
            let buzz = self.sandbox.buzzes().into_iter().find(|b| b.urgent == Urgent::Phone && b.at >= fired);
            if let Some(buzz) = buzz {
                let cards = self.sandbox.messages("oc_0");
                let card = cards.iter().find(|m| m.msg_type == "interactive" && m.content().contains(&name));
                return Page { second, card_ms: after(card.unwrap().created_at()), buzz_ms: after(buzz.at) };
            }
            assert!(started.elapsed() < Duration::from_mins(2), "nobody was called for {name}");
            sleep(Duration::from_millis(20));
        }
    }

    fn calls(&self, begun: Timestamp, (from, to): (i64, i64)) -> Calls {
        let inside = |at: Timestamp| {
            let after = at.duration_since(begun);
            after >= SignedDuration::from_secs(from) && after < SignedDuration::from_secs(to)
        };
        let calls = self.sandbox.calls();
        Calls { all: calls.iter().filter(|c| inside(c.at)).map(|c| (c.api, c.code)).collect() }
    }
}

impl Calls {
    fn print(&self, name: &str, api: Api, allowed: f64) {
        let count = |wanted: &dyn Fn(i64) -> bool| {
            self.all.iter().filter(|(a, code)| *a == api && wanted(*code)).count() as f64
        };
        let accepted = count(&|code| code == 0);
        let refused = count(&|code| matches!(code, 99_991_400 | 230_020)) / count(&|_| true).max(1.0);
        let share = accepted / allowed;
        line(&[
            name.to_owned(),
            format!("{allowed:.0}"),
            format!("{accepted:.0}"),
            format!("{share:.3}"),
            format!("{:.2} %", refused * 100.0),
            verdict(share >= USE_GOAL && refused < REFUSED_GOAL),
        ]);
    }
}
