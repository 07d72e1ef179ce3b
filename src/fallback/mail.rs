//! Mail, by SMTP.

use std::time::Duration;

use lettre::message::{Mailbox, header};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::{BadWay, NotTold, Notice};
use crate::settings::Smtp;
use crate::wire;

/// Longest subject, in characters.
const SUBJECT_CHARS: usize = 120;

/// See the module.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    secrets: Vec<SecretString>,
}

impl Mail {
    /// Connects to nothing yet. `timeout`: for each step of the conversation.
    ///
    /// # Errors
    ///
    /// When one of the addresses is none.
    pub fn new(settings: &Smtp, timeout: Duration) -> Result<Self, BadWay> {
        let url = settings.url.expose_secret();
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| {
                let form = "smtps://USER:PASSWORD@HOST:465 or smtp://HOST:25?tls=opportunistic";
                BadWay(format!("fallback.smtp.url is not an address of mail: write {form}"))
            })?
            .timeout(Some(timeout))
            .build();
        let mailbox = |key: &str, text: &str| {
            let wrong = |error| BadWay(format!("fallback.smtp.{key} is {text:?}: {error}"));
            text.trim().parse::<Mailbox>().map_err(wrong)
        };
        let to = settings.to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?;
        let password = reqwest::Url::parse(url).ok().and_then(|url| url.password().map(str::to_owned));
        let secrets = password.into_iter().map(SecretString::from).chain([settings.url.clone()]).collect();
        Ok(Self { transport, from: mailbox("from", &settings.from)?, to, secrets })
    }

    /// Sends a letter.
    ///
    /// # Errors
    ///
    /// When the server did not take it for everybody.
    pub async fn tell(&self, notice: &Notice) -> Result<(), NotTold> {
        let failed = |error: &dyn std::error::Error, again| {
            let mut message = format!("{error}{}", wire::causes(error));
            wire::redact(&mut message, &self.secrets);
            NotTold { message, again }
        };
        let subject = format!("[{}] {} {}", notice.severity, notice.incident, notice.title);
        let subject: String = subject.chars().filter(|c| !c.is_control()).take(SUBJECT_CHARS).collect();
        let mut letter = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .header(header::ContentType::TEXT_PLAIN);
        for to in &self.to {
            letter = letter.to(to.clone());
        }
        let letter = letter.body(notice.text.clone()).map_err(|error| failed(&error, false))?;
        match self.transport.send(letter).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&error, !error.is_permanent())),
        }
    }
}
