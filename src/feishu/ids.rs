//! How Feishu's calls name people.

use crate::domain::Contact;

/// Which kind of id a person is named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserIdKind {
    /// `ou_…`, one person as one app sees them.
    OpenId,
    /// The tenant's own id.
    UserId,
    /// `on_…`, the same across a vendor's apps.
    UnionId,
}

impl UserIdKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OpenId, Self::UserId, Self::UnionId];

    /// Feishu's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "open_id",
            Self::UserId => "user_id",
            Self::UnionId => "union_id",
        }
    }
}

/// A person, as Feishu's calls name them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId {
    /// The kind of id.
    pub kind: UserIdKind,
    /// The id.
    pub value: String,
}

impl UserId {
    /// An id of the kind.
    pub fn new(kind: UserIdKind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into() }
    }

    /// The id that a contact is; `None` for an e-mail address or mobile number,
    /// which must be [looked up](super::Client::look_up) first.
    pub fn of(contact: &Contact) -> Option<Self> {
        let kind = match contact {
            Contact::OpenId(_) => UserIdKind::OpenId,
            Contact::UserId(_) => UserIdKind::UserId,
            Contact::UnionId(_) => UserIdKind::UnionId,
            Contact::Email(_) | Contact::Mobile(_) => return None,
        };
        Some(Self::new(kind, contact.value()))
    }
}

/// The ids in parts that one call can take: one kind each, at most `size`, each
/// id once, in the order given.
pub(crate) fn parts(people: &[UserId], size: usize) -> Vec<(UserIdKind, Vec<UserId>)> {
    let mut parts = Vec::new();
    for kind in UserIdKind::ALL {
        let mut ids: Vec<UserId> = Vec::new();
        for person in people.iter().filter(|person| person.kind == kind) {
            if !ids.contains(person) {
                ids.push(person.clone());
            }
        }
        parts.extend(ids.chunks(size.max(1)).map(|part| (kind, part.to_vec())));
    }
    parts
}
