//! When Feishu as a whole is out of reach, people are told by other ways, and
//! what keeps pages from people is an incident of its own.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use jiff::SignedDuration;
use larkhorn::domain::{Action, Phase};
use larkhorn::sandbox::{Api, Outcome};
use larkhorn::settings::{Fallback, FallbackWebhook};
use serde_json::Value;

use crate::alerts::fires;
use crate::life::minutes;
use crate::world::World;

const RULES: &str = "
severities: [{name: critical, urgent: phone}, {name: warning, urgent: app}]
people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}}
chats: {sre: oc_sre, leads: oc_leads}
policies:
  core:
    steps:
      - {wait: 0s, notify: [lin]}
      - {wait: 10m, notify: [mara]}
catch_all: {notify: [mara], chat: leads}
rules: [{name: all, chat: sre, policy: core}]
";

const DOWN: [Api; 5] = [Api::TenantToken, Api::Send, Api::Reply, Api::UpdateCard, Api::UrgentPhone];

/// A server that takes JSON, and what it got.
struct Elsewhere {
    settings: Fallback,
    came: Arc<Mutex<Vec<Value>>>,
}

impl Elsewhere {
    /// Refuses the first so many.
    fn after_refusing(refusals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/page", listener.local_addr().unwrap()).into();
        let came = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(AtomicUsize::new(refusals));
        let (heard, refuses) = (Arc::clone(&came), Arc::clone(&left));
        let server = HttpServer::new(move || {
            let take = |heard: Data<Mutex<Vec<Value>>>, left: Data<AtomicUsize>, sent: Bytes| async move {
                if left.try_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                    return HttpResponse::ServiceUnavailable().finish();
                }
                heard.lock().unwrap().push(serde_json::from_slice(&sent).unwrap());
                HttpResponse::Ok().finish()
            };
            App::new()
                .app_data(Data::from(Arc::clone(&heard)))
                .app_data(Data::from(Arc::clone(&refuses)))
                .default_service(web::to(take))
        });
        tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
        let webhook = Some(FallbackWebhook { url, bearer_token: None });
        Self { settings: Fallback { after: minutes(2), feishu_bot: None, webhook, smtp: None }, came }
    }

    /// Whom each notice was for.
    fn told(&self) -> Vec<String> {
        let people = |notice: &Value| notice["people"][0].as_str().unwrap_or("-").to_owned();
        self.came.lock().unwrap().iter().map(people).collect()
    }
}

fn out(world: &World) {
    for api in DOWN {
        world.trouble(api, None, Outcome::Http(502));
    }
}

async fn kinds(world: &World) -> Vec<String> {
    world.timeline(&world.incident().await).await.into_iter().map(|entry| entry.kind).collect()
}

#[tokio::test]
async fn pages_take_another_way_while_feishu_is_out_once_each() {
    let elsewhere = Elsewhere::after_refusing(2);
    let mut world = World::new(RULES);
    world.falls_back_to(&elsewhere.settings);
    out(&world);
    world.post(fires("Fire", "critical", world.now())).await;
    world.advance(SignedDuration::from_secs(100)).await;
    assert_eq!(elsewhere.told(), Vec::<String>::new(), "it may be a moment only");
    world.advance(minutes(3)).await;
    assert_eq!(elsewhere.told(), ["lin"]);
    let notice = elsewhere.came.lock().unwrap()[0].clone();
    assert_eq!((&notice["incident"], &notice["urgent"]), (&"INC-1".into(), &"phone".into()));
    assert!(notice["text"].as_str().unwrap().starts_with("[critical] Fire"), "{notice}");
    world.advance(minutes(5)).await;
    assert_eq!(elsewhere.told(), ["lin"]);
    world.advance(minutes(2)).await;
    assert_eq!(elsewhere.told(), ["lin", "mara"], "the next rung too, and at once");
    assert_eq!(kinds(&world).await.iter().filter(|kind| *kind == "fell_back").count(), 2);
    // Feishu is back: what waited goes out, and nobody is told elsewhere any more.
    world.mend();
    world.advance(minutes(2)).await;
    world.expect(&["card red Fire in oc_sre", "text …", "text …", "phone lin", "phone mara"]);
    assert_eq!(elsewhere.told().len(), 2);
}

#[tokio::test]
async fn an_answer_by_the_api_keeps_the_other_ways_quiet() {
    let elsewhere = Elsewhere::after_refusing(0);
    let mut world = World::new(RULES);
    world.falls_back_to(&elsewhere.settings);
    out(&world);
    world.post(fires("Fire", "critical", world.now())).await;
    world.advance(minutes(1)).await;
    let id = world.incident().await.id.unwrap();
    world.act(id, Action::Acknowledge, "lin").await;
    world.advance(minutes(30)).await;
    assert_eq!(elsewhere.told(), Vec::<String>::new());
}

#[tokio::test]
async fn one_chat_that_is_gone_is_no_reason_for_other_ways() {
    let elsewhere = Elsewhere::after_refusing(0);
    let mut world = World::new(RULES);
    world.falls_back_to(&elsewhere.settings);
    world.sandbox.dissolve_chat("oc_sre");
    world.post(fires("Fire", "critical", world.now())).await;
    world.advance(minutes(9)).await;
    world.expect_any();
    assert_eq!(elsewhere.told(), Vec::<String>::new());
}

#[tokio::test]
async fn a_page_that_waits_is_an_incident_of_its_own_until_it_is_out() {
    let mut world = World::new(RULES);
    let mut check = world.self_check();
    world.trouble(Api::Send, None, Outcome::Http(502));
    world.post(fires("Fire", "critical", world.now())).await;
    for _ in 0..5 {
        world.advance(SignedDuration::from_secs(10)).await;
        check.look().await;
    }
    assert_eq!(world.incidents().await.len(), 1, "not late yet");
    for _ in 0..3 {
        world.advance(SignedDuration::from_secs(10)).await;
        check.look().await;
    }
    let own = world.incidents().await.pop().unwrap();
    assert_eq!((own.key.rule.as_str(), own.title.as_str()), ("larkhorn", "DeliveryLate"));
    world.mend();
    world.advance(minutes(1)).await;
    world.expect(&[
        "card red Fire in oc_sre",
        "text [critical] Fire …",
        "phone lin",
        "card red DeliveryLate in oc_leads",
        "text [critical] DeliveryLate …",
        "phone mara",
    ]);
    check.look().await;
    world.advance(minutes(1)).await;
    check.look().await;
    world.settle().await;
    world.expect(&["edit green DeliveryLate in oc_leads"]);
    let own = world.incidents().await.pop().unwrap();
    assert_eq!((own.standing.phase(), own.standing.reopens), (Phase::Resolved, 0));
}

#[tokio::test]
async fn who_is_refused_by_feishu_says_so_elsewhere() {
    let elsewhere = Elsewhere::after_refusing(0);
    let mut world = World::new(RULES);
    world.falls_back_to(&elsewhere.settings);
    let mut check = world.self_check();
    world.trouble(Api::TenantToken, None, Outcome::Code(10_014, "app secret invalid".to_owned()));
    world.post(fires("Fire", "critical", world.now())).await;
    for _ in 0..20 {
        world.advance(SignedDuration::from_secs(10)).await;
        check.look().await;
    }
    let own: Vec<String> = world.incidents().await.into_iter().map(|incident| incident.summary).collect();
    let refused = own.iter().find(|summary| summary.contains("10014")).unwrap();
    assert!(refused.contains("Feishu refuses the app"), "{refused}");
    let told = elsewhere.told();
    assert!(told.contains(&"lin".to_owned()) && told.contains(&"mara".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_card_without_a_chat_and_without_people_is_told_by_the_catch_all() {
    let mut world = World::new(&RULES.replace("chat: sre, policy: core", "chat: sre"));
    let mut check = world.self_check();
    world.sandbox.remove_bot("oc_sre");
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect_nothing();
    check.look().await;
    world.settle().await;
    world.expect(&["card red CardsRefused in oc_leads", "text [critical] CardsRefused …", "phone mara"]);
    let own = world.incidents().await.pop().unwrap();
    assert!(own.summary.contains("oc_sre") && own.summary.contains("(INC-1 Fire)"), "{}", own.summary);
    world.sandbox.change_chat("oc_sre", |chat| chat.has_bot = true);
    world.advance(minutes(5)).await;
    world.expect(&["card red Fire in oc_sre"]);
    world.advance(minutes(1)).await;
    check.look().await;
    world.settle().await;
    world.expect(&["edit green CardsRefused in oc_leads"]);
}
