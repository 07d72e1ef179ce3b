//! The last resort: the ways that the settings name for pages while Feishu as a
//! whole cannot be reached.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::fallback::{BadWay, Hook, Mail, NotTold, Notice};
use crate::feishu::CustomBot;
use crate::settings::Fallback;
use crate::wire;

/// For a whole call.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// See the module.
pub struct Sinks {
    after: SignedDuration,
    sinks: Vec<Sink>,
}

enum Sink {
    Bot(CustomBot),
    Hook(Hook),
    Mail(Mail),
}

impl Sink {
    /// Its key in the settings.
    fn name(&self) -> &'static str {
        match self {
            Self::Bot(_) => "feishu_bot",
            Self::Hook(_) => "webhook",
            Self::Mail(_) => "smtp",
        }
    }
}

impl Sinks {
    /// Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// When an address is none, or the TLS library found no certificates to trust.
    pub fn new(settings: &Fallback) -> Result<Self, BadWay> {
        let http = wire::client(TIMEOUT, CONNECT_TIMEOUT)
            .map_err(|error| BadWay(format!("the HTTP client of fallback cannot start: {error}")))?;
        let mut sinks = Vec::new();
        if let Some(bot) = &settings.feishu_bot {
            let wrong = || BadWay("fallback.feishu_bot.url is not an http or https address".into());
            let bot = CustomBot::new(http.clone(), &bot.url, bot.secret.clone()).ok_or_else(wrong)?;
            sinks.push(Sink::Bot(bot));
        }
        if let Some(hook) = &settings.webhook {
            sinks.push(Sink::Hook(Hook::new(hook, http)?));
        }
        if let Some(mail) = &settings.smtp {
            sinks.push(Sink::Mail(Mail::new(mail, TIMEOUT)?));
        }
        Ok(Self { after: settings.after, sinks })
    }

    /// How long Feishu must not have answered before they are used.
    pub fn after(&self) -> SignedDuration {
        self.after
    }

    /// Their names, as in the settings.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.sinks.iter().map(Sink::name)
    }

    /// Tells it by one of them. A way that the settings name no more takes everything.
    ///
    /// # Errors
    ///
    /// When it did not take it, or nobody knows.
    pub async fn tell(&self, name: &str, notice: &Notice, now: Timestamp) -> Result<(), NotTold> {
        match self.sinks.iter().find(|sink| sink.name() == name) {
            Some(Sink::Bot(bot)) => {
                let said = bot.say(&notice.text, now).await;
                said.map_err(|error| NotTold { message: error.message, again: error.again })
            }
            Some(Sink::Hook(hook)) => hook.tell(notice).await,
            Some(Sink::Mail(mail)) => mail.tell(notice).await,
            None => Ok(()),
        }
    }
}
