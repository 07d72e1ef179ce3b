//! The pager's look at itself: who hears when the store is broken, and who
//! hears a beat while all is well.

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::Clock;
use larkhorn::rules::{RuleSet, SourceFile};
use larkhorn::settings::{Fallback, FallbackWebhook};
use larkhorn::store::{Backlog, Store};
use larkhorn::telemetry::Metrics;
use larkhorn::wire;
use larkhorn::worker::courier::Reach;
use larkhorn::worker::engine::Engine;
use larkhorn::worker::self_check::{SelfCheck, Watcher};
use larkhorn::worker::sinks::Sinks;
use tokio::sync::Notify;

use super::callbacks::HandClock;
use crate::shelf::Shelf;

const RULES: &str = "{chats: {sre: oc_1}, rules: [{name: all, chat: sre}]}";

fn now() -> Timestamp {
    "2026-11-22T03:00:00Z".parse().unwrap()
}

/// Answers everything and counts.
fn listener() -> (String, Arc<Mutex<Vec<String>>>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/beat", socket.local_addr().unwrap());
    let came = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&came);
    let server = HttpServer::new(move || {
        let take = |heard: Data<Mutex<Vec<String>>>, sent: String| async move {
            heard.lock().unwrap().push(sent);
            HttpResponse::Ok().finish()
        };
        App::new().app_data(Data::from(Arc::clone(&heard))).default_service(web::to(take))
    });
    tokio::spawn(server.workers(1).disable_signals().listen(socket).unwrap().run());
    (url, came)
}

fn check(shelf: Arc<Shelf>, clock: Arc<HandClock>) -> SelfCheck {
    let (rules, _) = RuleSet::load(&[SourceFile { path: "r.yaml", text: RULES }]).unwrap();
    let rules = Arc::new(ArcSwap::from_pointee(rules));
    let store: Arc<dyn Store> = shelf;
    let engine = Engine::new(store.clone(), rules, Metrics::new("0"), Arc::new(Notify::new()));
    let clock: Arc<dyn Clock> = clock;
    SelfCheck::new(Arc::new(engine), store, clock, Arc::new(Reach::default()))
}

fn pass(clock: &HandClock, span: SignedDuration) {
    *clock.0.lock().unwrap() += span;
}

#[actix_web::test]
async fn a_broken_store_is_told_by_the_other_ways_every_half_hour() {
    let (url, came) = listener();
    let webhook = Some(FallbackWebhook { url: url.into(), bearer_token: None });
    let settings = Fallback { after: SignedDuration::ZERO, feishu_bot: None, webhook, smtp: None };
    let shelf = Arc::new(Shelf::default());
    shelf.broken.store(true, Ordering::SeqCst);
    let clock = Arc::new(HandClock(Mutex::new(now())));
    let sinks = Some(Arc::new(Sinks::new(&settings).unwrap()));
    let mut check = check(shelf, clock.clone()).with_sinks(sinks);
    for _ in 0..4 {
        check.look().await;
        pass(&clock, SignedDuration::from_mins(10));
    }
    let came = came.lock().unwrap().clone();
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(came[0].contains("cannot use its store") && came[0].contains("disk full"), "{came:?}");
}

#[actix_web::test]
async fn the_watcher_hears_a_beat_only_while_nothing_is_late() {
    let late = |seconds: i64| Some(now() - SignedDuration::from_secs(seconds));
    let table = [
        (Backlog::default(), 3),
        (Backlog { next_due: late(30), ..Backlog::default() }, 1),
        (Backlog { next_due: late(61), ..Backlog::default() }, 0),
        (Backlog { page_oldest: late(61), ..Backlog::default() }, 0),
        (Backlog { inbox_oldest: late(61), ..Backlog::default() }, 0),
        (Backlog { outbox_oldest: late(600), ..Backlog::default() }, 3),
    ];
    for (backlog, beats) in table {
        let (url, came) = listener();
        let shelf = Arc::new(Shelf { backlog: backlog.clone(), ..Shelf::default() });
        let clock = Arc::new(HandClock(Mutex::new(now())));
        let http =
            wire::client(std::time::Duration::from_secs(5), std::time::Duration::from_secs(5)).unwrap();
        let mut check = check(shelf, clock.clone()).watched_by(Watcher::new(http, &url));
        // Two minutes and a bit, a look every ten seconds.
        for _ in 0..13 {
            check.look().await;
            pass(&clock, SignedDuration::from_secs(10));
        }
        assert_eq!(came.lock().unwrap().len(), beats, "{backlog:?}");
    }
}
