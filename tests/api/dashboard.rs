//! The dashboard's files as a browser gets them, and the words they show.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, header::HeaderMap};
use actix_web::{App, test};
use async_trait::async_trait;
use jiff::Timestamp;
use larkhorn::domain::{
    Cap, ChatId, Clock, Contact, Destination, Happening, Job, Person, Phase, Urgent, Via,
};
use larkhorn::http::{Access, Limits, Readiness, Reload, State, configure};
use larkhorn::settings::Webhook;
use larkhorn::store::sqlite::{Retention, SqliteStore};
use larkhorn::telemetry::Metrics;
use regex::Regex;
use serde_json::{Map, Value};
use tokio::sync::Notify;

const WORDS: &str = "/dashboard-words.js";
const FILES: [(&str, &str); 7] = [
    ("/", "text/html; charset=utf-8"),
    ("/dashboard.css", "text/css; charset=utf-8"),
    ("/dashboard.js", "text/javascript; charset=utf-8"),
    ("/dashboard-filter.js", "text/javascript; charset=utf-8"),
    ("/dashboard-look.js", "text/javascript; charset=utf-8"),
    ("/dashboard-text.js", "text/javascript; charset=utf-8"),
    (WORDS, "text/javascript; charset=utf-8"),
];
const LANGUAGES: [&str; 2] = ["en", "zh-CN"];

/// Well, and the same at all times.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

#[async_trait]
impl Reload for Still {
    async fn reload(&self) -> Result<(), Vec<String>> {
        Ok(())
    }
}

#[async_trait]
impl Readiness for Still {
    async fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A pager whose API wants a token.
pub(crate) struct Pager {
    state: State,
    _folder: tempfile::TempDir,
}

/// What it answers to one request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Pager {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("larkhorn.db"), Retention::default()).unwrap();
        let state = State {
            store: Arc::new(store),
            rules: crate::rule_set(),
            reload: Arc::new(Still),
            readiness: Arc::new(Still),
            inbox_signal: Arc::new(Notify::new()),
            clock: Arc::new(Still),
            metrics: Metrics::new("0.0.1"),
            access: Access { webhook: Webhook::default(), api_token: Some("api".into()) },
            limits: Limits { max_body_bytes: 1 << 20, body_idle: Duration::from_secs(30) },
            intake: Arc::default(),
            refusals: Arc::default(),
            listener: None,
            actions: None,
            tap: larkhorn::telemetry::Tap::default(),
        };
        Self { state, _folder: folder }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, header: (&str, &str)) -> Answer {
        let app = test::init_service(App::new().configure(configure(self.state.clone()))).await;
        let request = test::TestRequest::default().method(method).uri(path).insert_header(header);
        let answer = test::call_service(&app, request.to_request()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = String::from_utf8(test::read_body(answer).await.to_vec()).unwrap();
        Answer { status, headers, body }
    }

    /// As a stranger asks.
    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, ("X-Forwarded-For", "203.0.113.9")).await
    }
}

/// All files by path.
async fn files() -> BTreeMap<&'static str, String> {
    let pager = Pager::new();
    let mut files = BTreeMap::new();
    for (path, _) in FILES {
        let answer = pager.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        files.insert(path, answer.body);
    }
    files
}

/// The table of words: JSON behind `export default`.
async fn words() -> Map<String, Value> {
    let files = files().await;
    let (_, table) = files[WORDS].split_once("export default ").unwrap();
    serde_json::from_str(table).unwrap()
}

/// One of each kind, in order. A new kind does not compile until it is here.
fn next(before: Option<&Happening>) -> Option<Happening> {
    let (one, by) = (|| vec!["lin".to_owned()], || "lin".to_owned());
    let (via, until) = (Via::Card, Timestamp::UNIX_EPOCH);
    Some(match before {
        None => Happening::Opened { severity: "critical".into(), firing: 1 },
        Some(Happening::Opened { .. }) => Happening::AlertsChanged { firing: 2, resolved: 1 },
        Some(Happening::AlertsChanged { .. }) => Happening::SeverityRose { to: "critical".into() },
        Some(Happening::SeverityRose { .. }) => {
            Happening::Stepped { step: 0, round: 0, urgent: Urgent::App, people: one() }
        }
        Some(Happening::Stepped { .. }) => Happening::StepSkipped { step: 0, round: 0 },
        Some(Happening::StepSkipped { .. }) => Happening::Exhausted,
        Some(Happening::Exhausted) => Happening::CatchAll { times: 1, urgent: Urgent::App, people: one() },
        Some(Happening::CatchAll { .. }) => Happening::Acknowledged { by: by(), via },
        Some(Happening::Acknowledged { .. }) => Happening::Unacknowledged { by: by(), via },
        Some(Happening::Unacknowledged { .. }) => Happening::Reminded { by: by() },
        Some(Happening::Reminded { .. }) => Happening::AcknowledgeExpired { by: by() },
        Some(Happening::AcknowledgeExpired { .. }) => Happening::Seen { by: by() },
        Some(Happening::Seen { .. }) => Happening::Snoozed { by: by(), via, until },
        Some(Happening::Snoozed { .. }) => Happening::Silenced { by: by(), via, until },
        Some(Happening::Silenced { .. }) => Happening::HoldEnded,
        Some(Happening::HoldEnded) => Happening::Escalated { by: by(), via },
        Some(Happening::Escalated { .. }) => Happening::HandedOver { by: by(), via, to: "mara".into() },
        Some(Happening::HandedOver { .. }) => Happening::Unlisted,
        Some(Happening::Unlisted) => Happening::ListedAgain,
        Some(Happening::ListedAgain) => Happening::Stale,
        Some(Happening::Stale) => Happening::ResolvedBy { by: by(), via },
        Some(Happening::ResolvedBy { .. }) => Happening::Resolved,
        Some(Happening::Resolved) => Happening::Reopened { times: 1 },
        Some(Happening::Reopened { .. }) => {
            Happening::CardPosted { to: "oc_1".into(), message: "om_1".into() }
        }
        Some(Happening::CardPosted { .. }) => {
            Happening::Buzzed { urgent: Urgent::App, people: one(), refused: one() }
        }
        Some(Happening::Buzzed { .. }) => Happening::FellBack { ways: one(), people: one() },
        Some(Happening::FellBack { .. }) => {
            Happening::HeldBack { people: one(), wanted: Urgent::Phone, cap: Cap::Month, urgent: Urgent::App }
        }
        Some(Happening::HeldBack { .. }) => Happening::Folded { to: "oc_1".into() },
        Some(Happening::Folded { .. }) => Happening::BuzzShared { people: one(), with: "INC-1".into() },
        Some(Happening::BuzzShared { .. }) => Happening::DeliveryFailed {
            what: "post".into(),
            to: "oc_1".into(),
            reason: "230002".into(),
            instead: String::new(),
        },
        Some(Happening::DeliveryFailed { .. }) => return None,
    })
}

fn every_happening() -> Vec<Happening> {
    std::iter::successors(next(None), |last| next(Some(last))).collect()
}

/// The names in `{braces}`.
fn blanks(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0).collect()
}

/// Every text of a language by its place, e.g. `urgent.app`.
fn texts(language: &Value) -> BTreeMap<String, &str> {
    let mut found = BTreeMap::new();
    for (key, value) in language.as_object().unwrap() {
        if let Some(text) = value.as_str() {
            found.insert(key.clone(), text);
        }
        for (name, text) in value.as_object().into_iter().flatten() {
            found.insert(format!("{key}.{name}"), text.as_str().unwrap());
        }
    }
    found
}

#[actix_web::test]
async fn anybody_may_load_the_files_and_browsers_are_told_to_be_strict() {
    let pager = Pager::new();
    for (path, kind) in FILES {
        let answer = pager.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.is_empty(), "{path}");
        assert_eq!(answer.header("content-type"), kind, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        let rules: Vec<_> = policy.split(';').map(str::trim).collect();
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(rules.contains(&rule), "{path} lacks {rule}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
    }
    // What they show is guarded.
    assert_eq!(pager.get("/api/v1/incidents").await.status, 401);
}

#[actix_web::test]
async fn a_file_is_sent_again_only_when_it_has_changed() {
    let pager = Pager::new();
    let mut tags = BTreeSet::new();
    for (path, _) in FILES {
        let first = pager.get(path).await;
        assert_eq!(first.header("cache-control"), "no-cache", "{path}");
        let tag = first.header("etag");
        for known in [tag, &format!("W/{tag}"), &format!("\"old\", {tag}"), "*"] {
            let answer = pager.ask(Method::GET, path, ("If-None-Match", known)).await;
            assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{path}, {known}");
            assert_eq!(answer.header("etag"), tag, "{path}");
        }
        assert_eq!(pager.ask(Method::GET, path, ("If-None-Match", "\"old\"")).await.status, 200, "{path}");
        tags.insert(tag.to_owned());
    }
    assert_eq!(tags.len(), FILES.len(), "two files share a tag");
}

#[actix_web::test]
async fn the_files_can_be_asked_about_but_not_written() {
    let pager = Pager::new();
    for (path, kind) in FILES {
        let head = pager.ask(Method::HEAD, path, ("Accept", "*/*")).await;
        assert_eq!((head.status, head.header("content-type")), (200, kind), "{path}");
        let post = pager.ask(Method::POST, path, ("Accept", "*/*")).await;
        assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"), "{path}");
    }
}

#[actix_web::test]
async fn the_page_runs_nothing_inline() {
    let files = files().await;
    let page = &files["/"];
    for script in page.split("<script").skip(1) {
        let (attributes, rest) = script.split_once('>').unwrap();
        assert!(attributes.contains(" src=\""), "a script without src: {attributes}");
        assert!(rest.starts_with("</script>"), "a script with a body: {rest:.80}");
    }
    let handler = Regex::new(r"(?i)\son[a-z]+\s*=|<style|\sstyle\s*=|javascript:").unwrap();
    assert_eq!(handler.find(page).map(|m| m.as_str()), None);
    let markup = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"];
    for (path, text) in &files {
        let found: Vec<_> = markup.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty(), "{path} makes markup from text: {found:?}");
    }
}

#[actix_web::test]
async fn every_address_in_the_files_is_relative_and_served() {
    let addressed = Regex::new(r#"(?:\b(?:href|src)="|@import\s+["']?|url\(["']?|from ')([^"')]*)"#).unwrap();
    let mut found = BTreeSet::new();
    for (path, text) in files().await {
        let foreign = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!foreign.contains("http:") && !foreign.contains("https:"), "{path} names a foreign address");
        for address in addressed.captures_iter(&text).map(|found| found[1].to_owned()) {
            assert!(!address.starts_with('/'), "{path}: {address} breaks below a proxy's prefix");
            if !address.starts_with("data:") && !address.starts_with('#') {
                found.insert(address.trim_start_matches("./").to_owned());
            }
        }
    }
    let served: BTreeSet<_> = FILES.iter().filter_map(|(path, _)| path.strip_prefix('/')).collect();
    assert!(found.iter().all(|address| served.contains(address.as_str())), "{found:?}");
    assert_eq!(found.len(), FILES.len() - 1, "not every file is used: {found:?}");
}

#[actix_web::test]
async fn whatever_happens_can_be_told_in_both_languages() {
    let words = words().await;
    let happenings = every_happening();
    for language in LANGUAGES {
        let table = words[language]["happenings"].as_object().unwrap();
        let mut told = BTreeSet::new();
        for happening in &happenings {
            let kind = happening.kind();
            assert!(table.contains_key(kind), "{language} has no words for {kind}");
            let facts = happening.facts();
            let mut names: BTreeSet<_> = facts.iter().map(|(name, _)| *name).collect();
            if names.contains("step") {
                names.insert("rung");
            }
            let variant = format!("{kind}:");
            for (key, text) in table.iter().filter(|(k, _)| *k == kind || k.starts_with(&variant)) {
                let text = text.as_str().unwrap();
                assert!(
                    blanks(text).is_subset(&names),
                    "{language}, {key}: {text} wants more than {names:?}"
                );
                told.insert(key.as_str());
            }
        }
        let strange: Vec<_> = table.keys().filter(|key| !told.contains(key.as_str())).collect();
        assert!(strange.is_empty(), "{language} has words for what cannot happen: {strange:?}");
    }
}

#[actix_web::test]
async fn names_of_the_api_have_words_in_both_languages() {
    let words = words().await;
    let chat = Destination::Chat(ChatId("oc_1".into()));
    let person = Person { name: "lin".into(), contact: Contact::OpenId("ou_lin".into()) };
    let jobs = [
        Job::Post { to: chat.clone() },
        Job::Edit { to: chat.clone() },
        Job::Buzz { to: chat.clone(), people: Vec::new(), urgent: Urgent::App, step: 0, round: 0 },
        Job::Remind { to: chat.clone(), person },
        Job::Tell { to: chat.clone(), step: 0, people: Vec::new() },
        Job::Pin { to: chat },
        Job::EndSilence,
        Job::Fallback { sink: "smtp".into(), urgent: Urgent::App, people: Vec::new() },
        Job::Silence { until: Timestamp::UNIX_EPOCH, author: "lin".into() },
    ];
    for language in LANGUAGES {
        let tables: [(&str, Vec<&str>); 4] = [
            ("budget", Cap::ALL.map(Cap::as_str).to_vec()),
            ("state", Phase::ALL.map(Phase::as_str).to_vec()),
            ("urgent", Urgent::ALL.map(Urgent::as_str).to_vec()),
            ("what", jobs.iter().map(Job::kind).collect()),
        ];
        for (table, keys) in tables {
            for key in keys {
                assert!(words[language][table][key].is_string(), "{language} has no word for {table} {key}");
            }
        }
    }
}

#[actix_web::test]
async fn both_languages_say_the_same_things() {
    let words = words().await;
    assert_eq!(words.keys().collect::<Vec<_>>(), LANGUAGES);
    let [en, zh] = LANGUAGES.map(|language| texts(&words[language]));
    assert_eq!(en.keys().collect::<Vec<_>>(), zh.keys().collect::<Vec<_>>());
    for (key, text) in &en {
        assert_eq!(blanks(text), blanks(zh[key]), "{key}");
        assert!(!text.trim().is_empty() && !zh[key].trim().is_empty(), "{key} is empty");
    }
}

#[actix_web::test]
async fn every_word_that_the_page_asks_for_exists_and_is_used() {
    let words = words().await;
    let files = files().await;
    let asked = Regex::new(r#"(?:data-word="|\bword\('|\bwordOf\(')(\w+)["']"#).unwrap();
    let sources =
        ["/", "/dashboard.js", "/dashboard-look.js", "/dashboard-text.js"].map(|path| files[path].as_str());
    let known = words["en"].as_object().unwrap();
    for key in sources.iter().flat_map(|text| asked.captures_iter(text)) {
        assert!(known.contains_key(&key[1]), "there is no word {}", &key[1]);
    }
    let mentioned = |key: &String| {
        sources.iter().any(|t| {
            [format!("'{key}'"), format!("\"{key}\""), format!(".{key}")].iter().any(|k| t.contains(k))
        })
    };
    let idle: Vec<_> = known.keys().filter(|key| !mentioned(key)).collect();
    assert!(idle.is_empty(), "words that nothing shows: {idle:?}");
}
