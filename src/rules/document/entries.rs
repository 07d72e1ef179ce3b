//! The keys of a rules file, each with what it is for.
//!
//! Editors read the same descriptions: the JSON Schema is made from these types
//! (see [`super::schema()`]), so a key that is read is a key that is described.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::schema::{Scalar, Words};
use super::{Entries, OneOrMany, Text};

/// The top of a file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct Document {
    /// How bad alerts can be, the loudest first: the order ranks them. Left out: critical (phone, pin), warning (app) and info (none), which understand the usual words.
    pub(in crate::rules) severities: Option<Vec<SeverityEntry>>,
    /// The severity of alerts that name none, or one that no row understands. Left out: warning if there is one, else the quietest that buzzes.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) default_severity: Option<Text>,
    /// Who can be paged, by the names that are used here.
    #[schemars(with = "Option<BTreeMap<String, PersonEntry>>")]
    pub(in crate::rules) people: Option<Entries<Spanned<PersonEntry>>>,
    /// Group chats that the bot is in: name and oc_… id.
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub(in crate::rules) chats: Option<Entries<Text>>,
    /// Names of people who are told together.
    #[schemars(with = "Option<BTreeMap<String, Vec<Scalar>>>")]
    pub(in crate::rules) teams: Option<Entries<Spanned<Vec<Text>>>>,
    /// Working days, days off and make-up days.
    #[schemars(with = "Option<BTreeMap<String, CalendarEntry>>")]
    pub(in crate::rules) calendars: Option<Entries<CalendarEntry>>,
    /// Who is on call when.
    #[schemars(with = "Option<BTreeMap<String, ScheduleEntry>>")]
    pub(in crate::rules) schedules: Option<Entries<ScheduleEntry>>,
    /// Escalation policies: who is told after whom, how loudly.
    #[schemars(with = "Option<BTreeMap<String, PolicyEntry>>")]
    pub(in crate::rules) policies: Option<Entries<PolicyEntry>>,
    /// Who is told when a policy is used up and nobody has answered.
    #[schemars(with = "Option<CatchAllEntry>")]
    pub(in crate::rules) catch_all: Option<Spanned<CatchAllEntry>>,
    /// What is told together when a lot happens at once.
    #[schemars(with = "Option<StormEntry>")]
    pub(in crate::rules) storm: Option<Spanned<StormEntry>>,
    /// Which alerts go where, in order: the first that matches owns the alert.
    pub(in crate::rules) rules: Option<Vec<RuleEntry>>,
    /// What phone calls and text messages may cost.
    #[schemars(with = "Option<BudgetEntry>")]
    pub(in crate::rules) budget: Option<Spanned<BudgetEntry>>,
}

/// The value of `budget`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct BudgetEntry {
    /// Limits of phone calls.
    pub(in crate::rules) phone: Option<LimitsEntry>,
    /// Limits of text messages.
    pub(in crate::rules) sms: Option<LimitsEntry>,
}

/// The limits of a channel in `budget`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct LimitsEntry {
    /// People buzzed in a calendar month at most.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) month: Option<Text>,
    /// The last part of the month, kept for the loudest severity.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) reserve: Option<Text>,
    /// Buzzes of one person in an hour at most.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) person_hour: Option<Text>,
    /// People buzzed for one incident at most.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) incident: Option<Text>,
}

/// A row of `severities`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct SeverityEntry {
    /// Its name; it counts as one of the values.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) name: Text,
    /// Words that mean it in the labels severity, priority and level, in any case.
    #[schemars(with = "Option<Vec<Scalar>>")]
    pub(in crate::rules) values: Option<Spanned<Vec<Text>>>,
    /// How loudly at most: none (card only), app, sms or phone.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) urgent: Text,
    /// Whether the chat is pinned on top for whoever is paged.
    #[serde(default)]
    pub(in crate::rules) pin: bool,
    /// How long an acknowledgement holds, as in 30m. Left out: until the end.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) ack_timeout: Option<Text>,
    /// Who may acknowledge: anyone, or targets (whoever was paged).
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) acknowledge: Option<Text>,
}

/// A value of `people`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct PersonEntry {
    /// ou_…, of this app.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) open_id: Option<Text>,
    /// The id in the tenant.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) user_id: Option<Text>,
    /// on_…, of all apps of a developer.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) union_id: Option<Text>,
    /// Looked up once.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) email: Option<Text>,
    /// Digits, with + and the country code outside China. Looked up once.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) mobile: Option<Text>,
}

/// A value of `calendars`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct CalendarEntry {
    /// Working days of every week: mon, tue, …, or mon-fri.
    #[schemars(with = "Words")]
    pub(in crate::rules) days: Spanned<OneOrMany>,
    /// Days off: dates, or ranges as in 2026-10-01..2026-10-07.
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) closed: Option<Spanned<OneOrMany>>,
    /// Make-up days: dates or ranges.
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) open: Option<Spanned<OneOrMany>>,
}

/// A value of `schedules`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct ScheduleEntry {
    /// The zone of all its times, as in Asia/Shanghai.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) timezone: Text,
    /// Rotations; later ones win while they are active.
    #[schemars(with = "Vec<LayerEntry>")]
    pub(in crate::rules) layers: Spanned<Vec<Spanned<LayerEntry>>>,
    /// Somebody else for a time; later ones win.
    pub(in crate::rules) overrides: Option<Vec<OverrideEntry>>,
}

/// A layer of a schedule.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct LayerEntry {
    /// When people hand over: daily, weekly, or hours or days as in 12h, 3d.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) rotate: Option<Text>,
    /// The hand-over, as in mon 10:00, or 10:00.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) at: Option<Text>,
    /// The layer is not there before that date, and turns are counted from it.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) from: Option<Text>,
    /// Names of people, in turn.
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) who: Option<Spanned<OneOrMany>>,
    /// In place of who and rotate: a shared calendar whose events name who is on call, an .ics file beside the rules or an https address that is asked every ten minutes.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) ical: Option<Text>,
    /// The hours of the day it is there for, as in 22:00-08:00.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) hours: Option<Text>,
    /// The days of the week it is there for.
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) days: Option<Spanned<OneOrMany>>,
    /// The calendar whose working days it is there for.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) calendar: Option<Text>,
    /// Its own zone, in place of the schedule's.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) timezone: Option<Text>,
}

/// An override of a schedule.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct OverrideEntry {
    /// Name of the person.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) who: Text,
    /// When it begins, as in 2026-12-01 09:00.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) from: Text,
    /// When it ends.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) to: Text,
}

/// A value of `policies`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct PolicyEntry {
    /// One after the other, until somebody acknowledges.
    #[schemars(with = "Vec<StepEntry>")]
    pub(in crate::rules) steps: Spanned<Vec<Spanned<StepEntry>>>,
    /// Rounds after the first, 0 to 100.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) repeat: Option<Text>,
}

/// A step of a policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct StepEntry {
    /// How long the step before has to answer, as in 5m. The first may leave it out.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) wait: Option<Text>,
    /// Whom: person:lin, team:leads, schedule:db, chat:sre, or a bare name.
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) notify: Option<Spanned<OneOrMany>>,
    /// How loudly: none, app, sms or phone; never louder than the severity. Left out: as loud as it allows.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) urgent: Option<Text>,
    /// Only if all of this holds; else the step is passed over.
    #[schemars(with = "Option<WhenEntry>")]
    pub(in crate::rules) when: Option<Spanned<WhenEntry>>,
}

/// The value of a step's `when`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct WhenEntry {
    /// As in ">=critical"; also >, =, <=, <.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) severity: Option<Text>,
    /// How many alerts fire at least, as in ">=3".
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) firing: Option<Text>,
    /// Only at these times.
    #[schemars(with = "Option<WindowEntry>")]
    pub(in crate::rules) window: Option<Spanned<WindowEntry>>,
}

/// The value of a condition's `window`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct WindowEntry {
    /// Hours of the day, as in 22:00-08:00.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) hours: Option<Text>,
    /// Days of the week.
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) days: Option<Spanned<OneOrMany>>,
    /// Working days of that calendar.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) calendar: Option<Text>,
    /// The zone of its times.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) timezone: Text,
}

/// The value of `catch_all`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct CatchAllEntry {
    /// Whom.
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) notify: Option<Spanned<OneOrMany>>,
    /// The chat that gets the card.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) chat: Option<Text>,
    /// How often, until somebody answers, as in 30m.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) every: Option<Text>,
}

/// The value of `storm`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct StormEntry {
    /// New incidents of a chat within a minute that get a card of their own; 0: all.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) cards_per_minute: Option<Text>,
    /// Pages of one person within that time share a buzz, as in 30s; 0: each has its own.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) share_buzz: Option<Text>,
}

/// An item of `rules`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct RuleEntry {
    /// Unique; part of the identity of its incidents.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) name: Text,
    /// Matchers in Alertmanager's syntax, all must pass: team="db", env!~"dev|test". Left out: every alert.
    #[serde(rename = "match")]
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) matchers: Option<Spanned<OneOrMany>>,
    /// Chats that get the card, by name.
    #[schemars(with = "Option<Words>")]
    pub(in crate::rules) chat: Option<Spanned<OneOrMany>>,
    /// Whom to page at once: a policy of one step.
    #[schemars(with = "Option<Vec<Scalar>>")]
    pub(in crate::rules) notify: Option<Vec<Text>>,
    /// The escalation policy, by name.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) policy: Option<Text>,
    /// Its alerts are signs of life, and silence becomes an incident.
    pub(in crate::rules) heartbeat: Option<HeartbeatEntry>,
    /// Whether to pin. Left out: as the severity says.
    pub(in crate::rules) pin: Option<bool>,
    /// The card's template, templates/LOCALE/NAME.hbs.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) template: Option<Text>,
    /// Labels whose values make one incident. Left out: the sender's groups.
    #[schemars(with = "Option<Vec<Scalar>>")]
    pub(in crate::rules) group_by: Option<Vec<Text>>,
    /// How long a new incident collects alerts before it pages, as in 30s.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) group_wait: Option<Text>,
    /// Whether later rules may match too.
    #[serde(default, rename = "continue")]
    pub(in crate::rules) continues: bool,
    /// A re-fire so soon after the end reopens the incident, as in 10m.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) reopen_within: Option<Text>,
    /// How long an alert that its sender stopped mentioning still counts, as in 1h.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) stale_after: Option<Text>,
    /// Whether what happens is told in the thread of the card too.
    #[serde(default)]
    pub(in crate::rules) thread: bool,
    /// Whether people who are paged are added to the chat if they are not in it.
    #[serde(default)]
    pub(in crate::rules) invite: bool,
}

/// The value of a rule's `heartbeat`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::rules) struct HeartbeatEntry {
    /// How often a sign of life must come at least, as in 5m.
    #[schemars(with = "Scalar")]
    pub(in crate::rules) every: Text,
    /// How bad silence is. Left out: the loudest.
    #[schemars(with = "Option<Scalar>")]
    pub(in crate::rules) severity: Option<Text>,
}
