//! What an answer of Feishu means for whoever asked.
//!
//! One table, [`ROWS`], says it for every code we know (feishu-api.md §3, §4,
//! §11); codes mean different things on different calls, so a row may name its
//! calls. A row for the call beats a row for all. What no row names is
//! [`Verdict::GiveUp`]: not repeated, reported with its log id, and left to the
//! caller's fallback. Waiting and repeating are not done here.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;

use super::limits::Limit;

/// The calls we make, as the verdict table and the metrics name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Api {
    Token,
    BotInfo,
    Send,
    Reply,
    EditCard,
    UrgentApp,
    UrgentSms,
    UrgentPhone,
    Pin,
    LookUp,
    AddMembers,
    Scopes,
    ChatInfo,
    ChatMembers,
    IsInChat,
    GetUser,
    LongConnection,
}

impl Api {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "tenant_access_token",
            Self::BotInfo => "bot_info",
            Self::Send => "send",
            Self::Reply => "reply",
            Self::EditCard => "edit_card",
            Self::UrgentApp => "urgent_app",
            Self::UrgentSms => "urgent_sms",
            Self::UrgentPhone => "urgent_phone",
            Self::Pin => "pin",
            Self::LookUp => "look_up",
            Self::AddMembers => "add_members",
            Self::Scopes => "scopes",
            Self::ChatInfo => "chat_info",
            Self::ChatMembers => "chat_members",
            Self::IsInChat => "is_in_chat",
            Self::GetUser => "get_user",
            Self::LongConnection => "long_connection",
        }
    }

    /// Whether a page may have to pass through it.
    pub(crate) fn serves_pages(self) -> bool {
        !matches!(
            self,
            Self::EditCard
                | Self::Pin
                | Self::Scopes
                | Self::ChatInfo
                | Self::ChatMembers
                | Self::IsInChat
                | Self::GetUser
        )
    }
}

/// What a failed call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Refused for now, surely not done: repeat after this long at the earliest.
    RetryAfter(Duration),
    /// Our part of Feishu's allowance is used up until then: no call was made.
    NotYet(Timestamp),
    /// It may or may not have been done: timeout, reset, 5xx, or an answer that
    /// is none. Safe to repeat where the call is idempotent (same uuid, edits, pins).
    Unknown,
    /// It never reached Feishu (no connection, a redirect in between): surely not done, repeat.
    NotSent,
    /// The app is refused: wrong id or secret, app or bot switched off. Nothing
    /// works until an operator acts.
    Credentials,
    /// The id of the chat, person or message is wrong, or another parameter is.
    TargetInvalid,
    /// The bot is not in that chat.
    NotInChat,
    /// The chat was dissolved.
    ChatGone,
    /// The person has left, or the app's availability range excludes them.
    PersonGone,
    /// The person has 200 unread buzzes: no buzz of any kind gets through to them.
    TooManyUnread,
    /// The tenant's SMS or phone quota is used up: buzz more quietly.
    QuotaUsedUp,
    /// The card is not acceptable: send a plainer one, then text.
    CardRejected,
    /// The content is too long.
    TooLong,
    /// A content filter (sensitive words, data loss prevention) refused the text.
    ContentRefused,
    /// The message is deleted, hidden, not ours or too old: send a new one.
    MessageGone,
    /// A setting, a missing permission or the person's choice forbids it: go another way.
    Forbidden,
    /// Repeating is no use.
    GiveUp,
}

impl Verdict {
    /// Whether it will go on like this until somebody changes a setting, a
    /// permission, a quota or the rules (feishu-api.md §11).
    pub fn needs_operator(self) -> bool {
        matches!(
            self,
            Self::Credentials
                | Self::Forbidden
                | Self::NotInChat
                | Self::ChatGone
                | Self::PersonGone
                | Self::QuotaUsedUp
                | Self::ContentRefused
        )
    }

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetryAfter(_) => "rate_limited",
            Self::NotYet(_) => "not_yet",
            Self::Unknown => "unknown",
            Self::NotSent => "unreachable",
            Self::Credentials => "credentials",
            Self::TargetInvalid => "target_invalid",
            Self::NotInChat => "not_in_chat",
            Self::ChatGone => "chat_gone",
            Self::PersonGone => "person_gone",
            Self::TooManyUnread => "too_many_unread",
            Self::QuotaUsedUp => "quota",
            Self::CardRejected => "card_rejected",
            Self::TooLong => "too_long",
            Self::ContentRefused => "content_refused",
            Self::MessageGone => "message_gone",
            Self::Forbidden => "forbidden",
            Self::GiveUp => "given_up",
        }
    }
}

/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause after "too frequently on this message", limited at 5 a second.
const SHORT_PAUSE: Duration = Duration::from_millis(300);

/// Feishu's windows are a minute at most; a longer reset is not believed.
const LONG_PAUSE: Duration = Duration::from_mins(1);

const URGENT: &[Api] = &[Api::UrgentApp, Api::UrgentSms, Api::UrgentPhone];
const ANY: &[Api] = &[];

/// (calls, empty for all; codes; verdict).
type Row = (&'static [Api], RangeInclusive<i64>, Verdict);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Calls on which a code means something of its own.
    (&[Api::Pin],   230_027..=230_027, Verdict::NotInChat),
    (URGENT,        230_012..=230_012, Verdict::MessageGone),
    (&[Api::Reply], 230_050..=230_050, Verdict::MessageGone),
    (&[Api::Reply], 230_071..=230_072, Verdict::MessageGone),
    (&[Api::Reply], 230_111..=230_111, Verdict::MessageGone),
    (&[Api::Reply], 230_019..=230_019, Verdict::MessageGone),
    // Limits and operations that run already.
    (ANY, 99_991_400..=99_991_400, Verdict::RetryAfter(PAUSE)),
    (ANY, 230_020..=230_020, Verdict::RetryAfter(SHORT_PAUSE)),
    (ANY, 230_047..=230_047, Verdict::RetryAfter(PAUSE)),
    (ANY, 230_049..=230_049, Verdict::RetryAfter(PAUSE)),
    (ANY, 232_019..=232_019, Verdict::RetryAfter(PAUSE)),
    (ANY, 18_121..=18_121, Verdict::RetryAfter(PAUSE)),
    (ANY, 11_232..=11_233, Verdict::RetryAfter(PAUSE)),
    (ANY, 2_200..=2_200, Verdict::RetryAfter(PAUSE)),
    (ANY, 232_096..=232_096, Verdict::RetryAfter(PAUSE)),
    // The app itself. Token codes come here only after a fresh token was refused too.
    (ANY, 10_003..=10_003, Verdict::Credentials),
    (ANY, 10_012..=10_015, Verdict::Credentials),
    (ANY, 20_002..=20_002, Verdict::Credentials),
    (ANY, 99_991_543..=99_991_543, Verdict::Credentials),
    (ANY, 99_991_661..=99_991_665, Verdict::Credentials),
    (ANY, 99_991_671..=99_991_671, Verdict::Credentials),
    (ANY, 99_991_673..=99_991_673, Verdict::Credentials),
    (ANY, 230_006..=230_006, Verdict::Credentials),
    (ANY, 232_025..=232_025, Verdict::Credentials),
    (ANY, 232_034..=232_034, Verdict::Credentials),
    (ANY, 234_007..=234_007, Verdict::Credentials),
    // Permissions and settings.
    (ANY, 99_991_401..=99_991_401, Verdict::Forbidden),
    (ANY, 99_991_403..=99_991_403, Verdict::Forbidden),
    (ANY, 99_991_672..=99_991_672, Verdict::Forbidden),
    (ANY, 99_991_676..=99_991_676, Verdict::Forbidden),
    (ANY, 230_018..=230_018, Verdict::Forbidden),
    (ANY, 230_027..=230_027, Verdict::Forbidden),
    (ANY, 230_035..=230_036, Verdict::Forbidden),
    (ANY, 230_038..=230_038, Verdict::Forbidden),
    (ANY, 230_046..=230_046, Verdict::Forbidden),
    (ANY, 230_052..=230_053, Verdict::Forbidden),
    (ANY, 230_075..=230_075, Verdict::Forbidden),
    (ANY, 230_098..=230_098, Verdict::Forbidden),
    (ANY, 232_010..=232_010, Verdict::Forbidden),
    (ANY, 232_014..=232_014, Verdict::Forbidden),
    (ANY, 232_017..=232_017, Verdict::Forbidden),
    // Whom and where.
    (ANY, 230_001..=230_001, Verdict::TargetInvalid),
    (ANY, 230_034..=230_034, Verdict::TargetInvalid),
    (ANY, 232_006..=232_006, Verdict::TargetInvalid),
    (ANY, 41_012..=41_012, Verdict::TargetInvalid),
    (ANY, 99_992_350..=99_992_369, Verdict::TargetInvalid),
    (ANY, 230_002..=230_002, Verdict::NotInChat),
    (ANY, 232_011..=232_011, Verdict::NotInChat),
    (ANY, 232_009..=232_009, Verdict::ChatGone),
    (ANY, 230_013..=230_013, Verdict::PersonGone),
    (ANY, 230_029..=230_029, Verdict::PersonGone),
    (ANY, 41_050..=41_050, Verdict::PersonGone),
    (ANY, 230_023..=230_023, Verdict::TooManyUnread),
    (ANY, 230_024..=230_024, Verdict::QuotaUsedUp),
    // Content. The inner codes of 230099 count as well where they come bare.
    (ANY, 230_099..=230_099, Verdict::CardRejected),
    (ANY, 230_017..=230_017, Verdict::CardRejected),
    (ANY, 230_054..=230_054, Verdict::CardRejected),
    (ANY, 100_290..=100_290, Verdict::CardRejected),
    (ANY, 11_310..=11_310, Verdict::CardRejected),
    (ANY, 200_380..=200_381, Verdict::CardRejected),
    (ANY, 200_550..=200_570, Verdict::CardRejected),
    (ANY, 200_621..=200_621, Verdict::CardRejected),
    (ANY, 200_732..=200_737, Verdict::CardRejected),
    (ANY, 200_830..=200_861, Verdict::CardRejected),
    (ANY, 200_914..=200_915, Verdict::CardRejected),
    (ANY, 230_025..=230_025, Verdict::TooLong),
    (ANY, 19_036..=19_036, Verdict::TooLong),
    (ANY, 100_000..=100_000, Verdict::TooLong),
    (ANY, 230_022..=230_022, Verdict::ContentRefused),
    (ANY, 230_028..=230_028, Verdict::ContentRefused),
    (ANY, 230_011..=230_011, Verdict::MessageGone),
    (ANY, 230_031..=230_031, Verdict::MessageGone),
    (ANY, 230_110..=230_110, Verdict::MessageGone),
    (ANY, 231_003..=231_003, Verdict::MessageGone),
];

/// The verdict on an answer: its HTTP status, the code in its body if it had
/// one, and the seconds of `x-ogw-ratelimit-reset` if that was there.
pub(crate) fn judge(api: Api, http: u16, code: Option<i64>, reset: Option<Duration>) -> Verdict {
    match (http, code) {
        (429, _) | (_, Some(99_991_400)) => {
            Verdict::RetryAfter(reset.map_or(PAUSE, |reset| reset.clamp(SHORT_PAUSE, LONG_PAUSE)))
        }
        (300..=399, None) => Verdict::NotSent,
        (500.., _) | (_, None) => Verdict::Unknown,
        (_, Some(code)) => look_up(api, code),
    }
}

fn look_up(api: Api, code: i64) -> Verdict {
    let named = |row: &&Row| row.1.contains(&code) && row.0.contains(&api);
    let any = |row: &&Row| row.1.contains(&code) && row.0.is_empty();
    let unnamed = if api == Api::Token { Verdict::Credentials } else { Verdict::GiveUp };
    ROWS.iter().find(named).or_else(|| ROWS.iter().find(any)).map_or(unnamed, |row| row.2)
}

/// Whose limit a refusal speaks of; `None`: it is not about speed.
pub(crate) fn limit_hit(http: u16, code: Option<i64>) -> Option<Limit> {
    match (http, code) {
        (429, _) | (_, Some(99_991_400 | 11_232)) => Some(Limit::Api),
        (_, Some(230_020 | 230_047 | 11_233)) => Some(Limit::Target),
        _ => None,
    }
}

/// Whether the code says that the tenant token was not accepted, so that a
/// fresh one is worth a try (feishu-api.md §1).
pub(crate) fn token_refused(code: i64) -> bool {
    matches!(code, 99_991_661 | 99_991_663 | 99_991_664 | 99_991_671)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Api; 11] = [
        Api::Token,
        Api::BotInfo,
        Api::Send,
        Api::Reply,
        Api::EditCard,
        Api::UrgentApp,
        Api::UrgentSms,
        Api::UrgentPhone,
        Api::Pin,
        Api::LookUp,
        Api::LongConnection,
    ];

    /// feishu-api.md §11, row by row, as far as our calls can meet it.
    #[test]
    fn every_known_code_has_the_verdict_its_action_asks_for() {
        use Verdict::{
            CardRejected, ChatGone, ContentRefused, Credentials, Forbidden, GiveUp, MessageGone, NotInChat,
            PersonGone, QuotaUsedUp, RetryAfter, TargetInvalid, TooLong, TooManyUnread,
        };
        let table: &[(&[i64], Verdict)] = &[
            (&[230_020], RetryAfter(Duration::from_millis(300))),
            (&[2200, 232_096, 230_047, 232_019, 11_232, 11_233, 230_049, 18_121], RetryAfter(PAUSE)),
            (&[99_991_661, 99_991_663, 99_991_664, 99_991_665, 99_991_671], Credentials),
            (&[99_991_668, 99_991_677, 99_991_679], GiveUp),
            (&[10_003, 10_012, 10_013, 10_014, 10_015, 99_991_543, 20_002], Credentials),
            (&[99_991_662, 99_991_673, 232_034, 230_006, 232_025, 234_007], Credentials),
            (&[99_991_672, 99_991_676, 99_991_401, 99_991_403], Forbidden),
            (&[99_991_201, 99_991_301, 99_992_402, 9499], GiveUp),
            (&[230_001, 230_034, 232_006, 99_992_351, 99_992_360, 99_992_364, 41_012], TargetInvalid),
            (&[230_002, 232_011], NotInChat),
            (&[230_013, 230_029, 41_050], PersonGone),
            (&[230_018, 230_035, 230_036, 230_038, 232_010, 230_046, 230_053, 232_014, 232_017], Forbidden),
            (&[230_022, 230_028], ContentRefused),
            (&[230_025, 19_036, 100_000], TooLong),
            (&[230_099, 100_290, 11_310, 200_380, 200_381, 200_550, 200_570], CardRejected),
            (&[200_621, 200_732, 200_737, 200_830, 200_861, 200_914, 200_915], CardRejected),
            (&[230_011, 230_110, 230_031, 231_003], MessageGone),
            (&[230_023], TooManyUnread),
            (&[230_024], QuotaUsedUp),
            (&[230_052, 230_098, 230_075], Forbidden),
            (&[232_009], ChatGone),
            (&[1, 230_999, 424_242], GiveUp),
        ];
        for (codes, expected) in table {
            for code in *codes {
                for http in [200, 400] {
                    assert_eq!(judge(Api::Send, http, Some(*code), None), *expected, "{code}");
                }
            }
        }
    }

    #[test]
    fn some_codes_mean_something_else_on_some_calls() {
        let table = [
            (Api::Pin, 230_027, Verdict::NotInChat),
            (Api::Send, 230_027, Verdict::Forbidden),
            (Api::UrgentPhone, 230_027, Verdict::Forbidden),
            (Api::UrgentApp, 230_012, Verdict::MessageGone),
            (Api::Send, 230_012, Verdict::GiveUp),
            (Api::Reply, 230_071, Verdict::MessageGone),
            (Api::Reply, 230_050, Verdict::MessageGone),
            (Api::Reply, 230_111, Verdict::MessageGone),
            (Api::Reply, 230_019, Verdict::MessageGone),
            (Api::EditCard, 230_072, Verdict::GiveUp),
            (Api::Token, 424_242, Verdict::Credentials),
        ];
        for (api, code, expected) in table {
            assert_eq!(judge(api, 400, Some(code), None), expected, "{} {code}", api.as_str());
        }
    }

    #[test]
    fn a_limit_is_the_apps_or_that_of_a_target() {
        let table = [
            (429, None, Some(Limit::Api)),
            (400, Some(99_991_400), Some(Limit::Api)),
            (400, Some(11_232), Some(Limit::Api)),
            (400, Some(230_020), Some(Limit::Target)),
            (400, Some(230_047), Some(Limit::Target)),
            (400, Some(11_233), Some(Limit::Target)),
            (400, Some(230_049), None),
            (500, None, None),
        ];
        for (http, code, limit) in table {
            assert_eq!(limit_hit(http, code), limit, "{http} {code:?}");
        }
    }

    #[test]
    fn each_row_decides_for_its_calls() {
        for (calls, codes, verdict) in ROWS {
            let all = if calls.is_empty() { ALL.as_slice() } else { *calls };
            for api in all {
                for code in [*codes.start(), *codes.end()] {
                    let named = |row: &&Row| row.0.contains(api) && row.1.contains(&code);
                    let expected = ROWS.iter().find(named).map_or(*verdict, |row| row.2);
                    assert_eq!(look_up(*api, code), expected, "{} {code}", api.as_str());
                }
            }
        }
    }

    #[test]
    fn an_operator_is_called_where_only_an_operator_can_help() {
        let codes = |code| look_up(Api::Send, code).needs_operator();
        assert!(
            [99_991_672, 99_991_401, 99_991_662, 230_002, 230_013, 230_024, 230_028, 232_009]
                .into_iter()
                .all(codes)
        );
        assert!(![230_020, 230_099, 230_110, 230_023, 230_001, 424_242].into_iter().any(codes));
    }

    #[test]
    fn no_row_hides_behind_another() {
        for api in ALL {
            for (at, row) in ROWS.iter().enumerate() {
                let clashes = ROWS.iter().skip(at + 1).filter(|other| {
                    let same_calls = other.0 == row.0 || other.0.contains(&api) && row.0.contains(&api);
                    same_calls && other.1.start() <= row.1.end() && row.1.start() <= other.1.end()
                });
                assert_eq!(clashes.count(), 0, "{:?} is named twice", row.1);
            }
        }
    }

    #[test]
    fn the_status_decides_where_there_is_no_code_to_trust() {
        let reset = Some(Duration::from_secs(7));
        let table = [
            ((429, None, reset), Verdict::RetryAfter(Duration::from_secs(7))),
            ((429, Some(99_991_400), None), Verdict::RetryAfter(PAUSE)),
            ((429, Some(99_991_400), Some(Duration::ZERO)), Verdict::RetryAfter(SHORT_PAUSE)),
            ((429, Some(99_991_400), Some(Duration::MAX)), Verdict::RetryAfter(LONG_PAUSE)),
            ((400, Some(99_991_400), reset), Verdict::RetryAfter(Duration::from_secs(7))),
            ((500, Some(230_001), None), Verdict::Unknown),
            ((502, None, None), Verdict::Unknown),
            ((200, None, None), Verdict::Unknown),
            ((404, None, None), Verdict::Unknown),
            ((302, None, None), Verdict::NotSent),
        ];
        for ((http, code, reset), expected) in table {
            assert_eq!(judge(Api::Send, http, code, reset), expected, "{http} {code:?}");
        }
    }
}
