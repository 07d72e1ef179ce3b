//! Mail, by SMTP.

use lettre::message::{Mailbox, header};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::{FallbackError, Notice, SinkError, TIMEOUT};
use crate::settings::Smtp;
use crate::wire;

/// Its key in the settings.
pub(super) const NAME: &str = "smtp";
/// Longest subject, in characters.
const SUBJECT_CHARS: usize = 120;

/// See the module.
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    secrets: Vec<SecretString>,
}

impl Mail {
    pub(super) fn new(settings: &Smtp) -> Result<Self, FallbackError> {
        let url = settings.url.expose_secret();
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| {
                let form = "smtps://USER:PASSWORD@HOST:465 or smtp://HOST:25?tls=opportunistic";
                FallbackError(format!("fallback.smtp.url is not an address of mail: write {form}"))
            })?
            .timeout(Some(TIMEOUT))
            .build();
        let mailbox = |key: &str, text: &str| {
            let wrong = |error| FallbackError(format!("fallback.smtp.{key} is {text:?}: {error}"));
            text.trim().parse::<Mailbox>().map_err(wrong)
        };
        let to = settings.to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?;
        let password = reqwest::Url::parse(url).ok().and_then(|url| url.password().map(str::to_owned));
        let secrets = password.into_iter().map(SecretString::from).chain([settings.url.clone()]).collect();
        Ok(Self { transport, from: mailbox("from", &settings.from)?, to, secrets })
    }

    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), SinkError> {
        let failed = |error: &dyn std::error::Error, again| {
            let mut message = error.to_string();
            let mut cause = error.source();
            while let Some(inner) = cause {
                message.push_str(": ");
                message.push_str(&inner.to_string());
                cause = inner.source();
            }
            wire::redact(&mut message, &self.secrets);
            SinkError { sink: NAME, message, again }
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
