//! Larkhorn turns Feishu/Lark into a self-hosted pager.
//!
//! Webhooks of Alertmanager and Grafana come in, rules say whose they are, one
//! live card per incident is posted, the people on call are buzzed, chats are
//! pinned on top, and recovery turns the same card green.
//!
//! # The way of a webhook
//!
//! ```text
//! sender ──▶ http ─▶ sources ─▶ store (inbox) ── commit ──▶ 200
//!                                  │
//!            engine: take ─▶ rules (whose? how bad?) ─▶ escalation (what next?)
//!                                  │
//!            one commit: standing, deadline, jobs (outbox), timeline
//!                                  │
//!            courier: claim ─▶ feishu (card, buzz, pin) ─▶ report
//! ```
//!
//! One door (the inbox), one order per incident (the engine), one way out (the
//! outbox). No transaction spans a network call. A 2xx means stored.
//!
//! # The house
//!
//! Rooms stand on floors and import only downward; `tests/tidy.rs` checks it.
//!
//! | floor | room | what it does | what it must not |
//! |---|---|---|---|
//! | 0 | [`domain`] | the nouns | derive a wire format |
//! | 1 | [`sources`] | bytes → alerts | any I/O, clock, randomness |
//! | 1 | [`rules`] | YAML → which rule, which severity, who | any I/O, clock, randomness |
//! | 1 | [`escalation`] | (standing, event, now) → (standing, effects) | any I/O, clock, randomness |
//! | 2 | [`settings`], [`telemetry`] | file and environment; logs and metrics | |
//! | 2 | [`wire`] | what every client of ours does alike | know whom it asks |
//! | 3 | [`store`] | inbox, incidents, outbox, timeline; the only SQL | decide |
//! | 3 | [`feishu`] | client, long connection and cards; the product's only Feishu JSON | decide when to try again |
//! | 3 | [`alertmanager`] | silences and alerts through Alertmanager's API v2 | wait or retry |
//! | 3 | [`fallback`] | other ways to tell people when Feishu is out of reach | wait or retry |
//! | 4 | [`worker`] | engine, courier, purse, roll call, self-check, sinks, keeper of the long connection | keep state that a restart must not lose |
//! | 4 | [`http`] | webhooks, API, dashboard, health | decide |
//! | 5 | [`sandbox`] | the fake Feishu and its two phones | know the product (but for nouns and frames) |
//! | 6 | [`app`] | start, stop, reload, rehearsals; the only real clock | |
//! | 7 | [`cli`] | one file per subcommand; the only one that prints | |
//!
//! # Dependencies
//!
//! | crate | what for, and why this one |
//! |---|---|
//! | actix-web, tokio, serde, serde_json, reqwest, handlebars, config | given |
//! | rusqlite (bundled SQLite) | group commit on one writer thread beats any pool (measured); no system library, no WAL-reset bug |
//! | tokio-postgres | PostgreSQL's own protocol, well kept; waited for on the store's threads, with an end to patience |
//! | rustls, rustls-platform-verifier, tokio-postgres-rustls | TLS to PostgreSQL with what the HTTP client brings already |
//! | serde-saphyr | YAML errors with line and column, alias bombs refused |
//! | jiff (tzdb bundled) | right across DST; every replica has the same zones |
//! | calcard (parser only) | calendars of others: iCalendar, its recurrence rules, Outlook's zone names; kept by the makers of a mail server |
//! | regex, regex-syntax | linear time on hostile input; the parsed form feeds the index |
//! | regex-automata | whether one rule takes all of another is decided on automata; already behind regex |
//! | prometheus-client | typed metrics without a global |
//! | tracing, tracing-subscriber | structured logs, text or JSON |
//! | clap, clap_complete, clap_mangen | the command line, its completions and its manual page |
//! | schemars | JSON Schema for editors from the types that read the files, so the two cannot drift |
//! | secrecy | secrets that cannot print themselves |
//! | hmac, sha2, subtle, hex, base64 | webhook signatures, constant-time comparison |
//! | aes, cbc | the cipher around Feishu's callbacks |
//! | tokio-tungstenite (framing only) | the long connection, over the HTTP client's own upgrade: one TLS stack, one proxy setting |
//! | actix-ws | the fake Feishu's end of it, inside the web server that is there |
//! | actix-http, actix-server, actix-service | the parts of actix-web that its own server puts together, here around a connection that is patient, not endlessly |
//! | rustix | asks for more open files; no unsafe here, in the tree anyway |
//! | uuid | idempotency keys towards Feishu |
//! | arc-swap | rules replaced under readers that never wait |
//! | async-trait | the store and the app's hooks as trait objects |
//! | flate2 (in Rust) | webhooks that a proxy has packed, unpacked up to the limit of a body |
//! | bytes, futures-util | bodies without copies; jobs side by side |
//! | thiserror, anyhow | errors that callers match on; errors that operators read |
//! | lettre | mail as a last resort: TLS, authentication and headers done right |
//! | mimalloc | gives memory back after a storm |
//! | unicode-width | columns and carets that line up under Chinese text |
//! | tempfile | folders of the demo and of rehearsals |

pub mod domain;

pub mod escalation;
pub mod rules;
pub mod sources;

pub mod settings;
pub mod telemetry;
pub mod wire;

pub mod alertmanager;
pub mod fallback;
pub mod feishu;
pub mod store;

pub mod http;
pub mod worker;

pub mod sandbox;

pub mod app;
pub mod cli;
