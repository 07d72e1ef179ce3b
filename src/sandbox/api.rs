//! The calls that the sandbox understands: one table of names, methods and paths.

/// Why a request names no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoCall {
    /// There is no such path (Feishu: 99991201).
    Path,
    /// The path exists for other methods only (Feishu: 99991301).
    Method,
}

macro_rules! apis {
    ($($variant:ident $name:literal $method:literal $path:literal)*) => {
        /// A call of the Open Platform. Paths are below `/open-apis/`, but for those that
        /// begin with a slash; `:x` stands for an id.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Api {
            $(#[doc = concat!("`", $method, " ", $path, "`")] $variant,)*
        }

        impl Api {
            /// All of them; where two paths fit a request, the earlier one is meant.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in the log of calls and in faults posted to the page.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn method(self) -> &'static str {
                match self { $(Self::$variant => $method,)* }
            }

            fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)* }
            }
        }
    };
}

apis! {
    TenantToken    "token.tenant"       "POST"   "auth/v3/tenant_access_token/internal"
    AppToken       "token.app"          "POST"   "auth/v3/app_access_token/internal"
    BotInfo        "bot.info"           "GET"    "bot/v3/info"
    Scopes         "scopes"             "GET"    "application/v6/scopes"
    Send           "message.send"       "POST"   "im/v1/messages"
    History        "message.history"    "GET"    "im/v1/messages"
    Reply          "message.reply"      "POST"   "im/v1/messages/:message/reply"
    UpdateCard     "message.update"     "PATCH"  "im/v1/messages/:message"
    EditText       "message.edit"       "PUT"    "im/v1/messages/:message"
    Recall         "message.recall"     "DELETE" "im/v1/messages/:message"
    GetMessage     "message.get"        "GET"    "im/v1/messages/:message"
    ReadUsers      "message.readers"    "GET"    "im/v1/messages/:message/read_users"
    UrgentApp      "urgent.app"         "PATCH"  "im/v1/messages/:message/urgent_app"
    UrgentSms      "urgent.sms"         "PATCH"  "im/v1/messages/:message/urgent_sms"
    UrgentPhone    "urgent.phone"       "PATCH"  "im/v1/messages/:message/urgent_phone"
    CreateReaction "reaction.create"    "POST"   "im/v1/messages/:message/reactions"
    ListReactions  "reaction.list"      "GET"    "im/v1/messages/:message/reactions"
    DeleteReaction "reaction.delete"    "DELETE" "im/v1/messages/:message/reactions/:reaction"
    CreatePin      "pin.create"         "POST"   "im/v1/pins"
    ListPins       "pin.list"           "GET"    "im/v1/pins"
    DeletePin      "pin.delete"         "DELETE" "im/v1/pins/:message"
    BotFeedCard    "feed_card.bot"      "PATCH"  "im/v2/feed_cards/bot_time_sentive"
    ChatFeedCard   "feed_card.chat"     "PATCH"  "im/v2/feed_cards/:chat"
    BatchGetId     "user.batch_get_id"  "POST"   "contact/v3/users/batch_get_id"
    GetUser        "user.get"           "GET"    "contact/v3/users/:user"
    ListChats      "chat.list"          "GET"    "im/v1/chats"
    GetChat        "chat.get"           "GET"    "im/v1/chats/:chat"
    ListMembers    "chat.members"       "GET"    "im/v1/chats/:chat/members"
    AddMembers     "chat.add_members"   "POST"   "im/v1/chats/:chat/members"
    IsInChat       "chat.is_in_chat"    "GET"    "im/v1/chats/:chat/members/is_in_chat"
    LongConnection "ws.endpoint"        "POST"   "/callback/ws/endpoint"
}

impl Api {
    /// The call of that [name](Self::as_str).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|api| api.as_str() == name)
    }

    /// The call that a request means, with the ids in its path. `path` starts with `/`.
    pub(super) fn find(method: &str, path: &str) -> Result<(Self, Vec<String>), NoCall> {
        let mut miss = NoCall::Path;
        for api in Self::ALL {
            if let Some(ids) = api.ids_in(path) {
                if api.method() == method {
                    return Ok((*api, ids));
                }
                miss = NoCall::Method;
            }
        }
        Err(miss)
    }

    fn ids_in(self, path: &str) -> Option<Vec<String>> {
        let (base, wanted) = match self.path().strip_prefix('/') {
            Some(rest) => ("/", rest),
            None => ("/open-apis/", self.path()),
        };
        let mut given = path.strip_prefix(base)?.split('/');
        let mut ids = Vec::new();
        for want in wanted.split('/') {
            let part = given.next().filter(|p| !p.is_empty())?;
            if want.starts_with(':') {
                ids.push(part.to_owned());
            } else if want != part {
                return None;
            }
        }
        given.next().is_none().then_some(ids)
    }

    /// Whether it is answered without a token.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::TenantToken | Self::AppToken | Self::LongConnection)
    }

    /// Scopes of which any one admits the call; empty: none needed (feishu-api.md §3–§6).
    pub(super) fn scopes(self) -> &'static [&'static str] {
        const SEND: &[&str] = &["im:message:send_as_bot", "im:message", "im:message:send"];
        match self {
            Self::TenantToken | Self::AppToken | Self::BotInfo | Self::Scopes | Self::LongConnection => &[],
            Self::Send | Self::Reply | Self::EditText => SEND,
            Self::UpdateCard => &["im:message:update", "im:message:send_as_bot", "im:message"],
            Self::Recall => &["im:message:recall", "im:message:send_as_bot", "im:message"],
            Self::GetMessage | Self::History | Self::ReadUsers => {
                &["im:message:readonly", "im:message", "im:message:basic"]
            }
            Self::UrgentApp => &["im:message.urgent", "im:message.urgent:app_send"],
            Self::UrgentSms => &["im:message.urgent:sms"],
            Self::UrgentPhone => &["im:message.urgent:phone"],
            Self::CreateReaction | Self::DeleteReaction => &["im:message.reactions:write_only", "im:message"],
            Self::ListReactions => &["im:message.reactions:read", "im:message"],
            Self::CreatePin | Self::DeletePin => &["im:message.pins:write_only", "im:message"],
            Self::ListPins => &["im:message.pins:read", "im:message"],
            Self::BotFeedCard | Self::ChatFeedCard => &["im:datasync.feed_card.time_sensitive:write"],
            Self::BatchGetId => &["contact:user.id:readonly"],
            Self::GetUser => &["contact:contact.base:readonly"],
            Self::ListChats | Self::GetChat => &["im:chat:readonly"],
            Self::ListMembers | Self::IsInChat => &["im:chat.members:read", "im:chat:readonly"],
            Self::AddMembers => &["im:chat.members:write_only"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_found_by_its_own_path_and_name() {
        for api in Api::ALL {
            let below = if api.path().starts_with('/') { "" } else { "/open-apis/" };
            let path = format!("{below}{}", api.path());
            let (found, _) = Api::find(api.method(), &path).unwrap();
            assert_eq!(found, *api);
            assert_eq!(Api::parse(api.as_str()), Some(*api));
        }
    }

    #[test]
    fn requests_that_name_no_call_say_why() {
        assert_eq!(Api::find("GET", "/open-apis/im/v1/nothing"), Err(NoCall::Path));
        assert_eq!(Api::find("GET", "/open-apis/im/v1/messages/"), Err(NoCall::Path));
        assert_eq!(Api::find("PATCH", "/open-apis/im/v1/messages"), Err(NoCall::Method));
        let (api, ids) = Api::find("DELETE", "/open-apis/im/v1/messages/om_1/reactions/r_2").unwrap();
        assert_eq!((api, ids), (Api::DeleteReaction, vec!["om_1".to_owned(), "r_2".to_owned()]));
    }
}
