//! Names of things: incidents, chats, messages, people, jobs.

use std::fmt;

/// An incident's number, unique in a store; shown as `INC-142`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncidentId(pub i64);

impl IncidentId {
    /// Reads `INC-142`, `inc-142` or `142`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text
            .get(..4)
            .filter(|p| p.eq_ignore_ascii_case("inc-"))
            .map_or(text, |p| text.get(p.len()..).unwrap_or_default());
        digits.parse().ok().filter(|n| *n > 0).map(Self)
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{}", self.0)
    }
}

/// A storm's number: incidents that share one card in one chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StormId(pub i64);

/// A row of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// What makes two alerts parts of one incident: the rule that owns them and
/// the group they came in. At most one incident with a key is open.
///
/// `group` is a digest of the sender's `(source, receiver, groupKey)`, or of
/// the values of the rule's `group_by` labels. Severity is never part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncidentKey {
    /// The rule's name.
    pub rule: String,
    /// Digest of the group, hexadecimal.
    pub group: String,
}

/// A Feishu chat, `oc_…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatId(pub String);

/// A sent Feishu message, `om_…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub String);

/// How Feishu knows a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contact {
    /// `ou_…`, one person as one app sees them.
    OpenId(String),
    /// The tenant's own id.
    UserId(String),
    /// `on_…`, the same across a vendor's apps.
    UnionId(String),
    /// Looked up once in the directory, then cached.
    Email(String),
    /// Looked up once in the directory, then cached. With country code outside China.
    Mobile(String),
}

impl Contact {
    /// The kind's word, as in the rules: `open_id`, `email`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OpenId(_) => "open_id",
            Self::UserId(_) => "user_id",
            Self::UnionId(_) => "union_id",
            Self::Email(_) => "email",
            Self::Mobile(_) => "mobile",
        }
    }

    /// The id, address or number itself.
    pub fn value(&self) -> &str {
        match self {
            Self::OpenId(v) | Self::UserId(v) | Self::UnionId(v) | Self::Email(v) | Self::Mobile(v) => v,
        }
    }

    /// The contact of that [`kind`](Self::kind); `None` for an unknown kind.
    pub fn new(kind: &str, value: impl Into<String>) -> Option<Self> {
        let value = value.into();
        Some(match kind {
            "open_id" => Self::OpenId(value),
            "user_id" => Self::UserId(value),
            "union_id" => Self::UnionId(value),
            "email" => Self::Email(value),
            "mobile" => Self::Mobile(value),
            _ => return None,
        })
    }
}

/// Somebody who can be paged: the rules' name for them and how to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Person {
    /// The key under `people:`.
    pub name: String,
    /// How Feishu knows them.
    pub contact: Contact,
}

/// Where messages go: a group chat, or one person's conversation with the bot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Destination {
    /// A group chat.
    Chat(ChatId),
    /// A direct message.
    Direct(Person),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(chat) => f.write_str(&chat.0),
            Self::Direct(person) => f.write_str(&person.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incident_ids_are_read_with_and_without_prefix() {
        for text in ["INC-142", "inc-142", "142"] {
            assert_eq!(IncidentId::parse(text), Some(IncidentId(142)), "{text}");
        }
        for text in ["", "INC-", "INC--1", "0", "-3", "1e3", "…14"] {
            assert_eq!(IncidentId::parse(text), None, "{text}");
        }
    }
}
