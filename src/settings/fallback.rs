//! `fallback`: the ways to tell people when Feishu as a whole cannot be reached.

use jiff::SignedDuration;
use secrecy::SecretString;

use super::raw::RawFallback;
use super::resolve::Problems;
use crate::rules::parse_duration;

/// Unless the settings say otherwise.
const AFTER: SignedDuration = SignedDuration::from_mins(2);

/// `fallback`: where pages go while Feishu as a whole cannot be reached.
#[derive(Debug, Clone)]
pub struct Fallback {
    /// Feishu counts as unreachable once it has not answered for so long. Not negative.
    pub after: SignedDuration,
    /// A custom bot of a chat.
    pub feishu_bot: Option<FeishuBot>,
    /// Any server that takes JSON.
    pub webhook: Option<FallbackWebhook>,
    /// Mail.
    pub smtp: Option<Smtp>,
}

/// A custom bot.
#[derive(Debug, Clone)]
pub struct FeishuBot {
    /// Its address, which is as good as a password.
    pub url: SecretString,
    /// What its messages are signed with, where its security settings ask for that.
    pub secret: Option<SecretString>,
}

/// A server that takes JSON.
#[derive(Debug, Clone)]
pub struct FallbackWebhook {
    /// Its address, which may hold a token.
    pub url: SecretString,
    /// `Authorization: Bearer …`.
    pub bearer_token: Option<SecretString>,
}

/// A mail server and who gets the mail.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// `smtps://user:password@host:465`.
    pub url: SecretString,
    /// Sender.
    pub from: String,
    /// Recipients. Not empty.
    pub to: Vec<String>,
}

/// Checks the section; `None` when it names no way.
pub(super) fn fallback(raw: RawFallback, problems: &mut Problems) -> Option<Fallback> {
    let after = raw.after.as_deref().map(|text| {
        parse_duration(text)
            .ok_or_else(|| format!("fallback.after is {text:?}: write a length of time, such as 2m or 90s"))
    });
    let after = problems.take(after.transpose(), AFTER);
    let (bot, hook, smtp) = (raw.feishu_bot, raw.webhook, raw.smtp);
    let secret = problems.secret("fallback.feishu_bot.secret", bot.secret, bot.secret_file);
    let url = problems.secret("fallback.feishu_bot.url", bot.url, bot.url_file);
    if url.is_none() && secret.is_some() {
        problems.add("fallback.feishu_bot.secret is set but fallback.feishu_bot.url is not");
    }
    let feishu_bot = url.map(|url| FeishuBot { url, secret });
    let bearer_token =
        problems.secret("fallback.webhook.bearer_token", hook.bearer_token, hook.bearer_token_file);
    let url = problems.secret("fallback.webhook.url", hook.url, hook.url_file);
    if url.is_none() && bearer_token.is_some() {
        problems.add("fallback.webhook.bearer_token is set but fallback.webhook.url is not");
    }
    let webhook = url.map(|url| FallbackWebhook { url, bearer_token });
    let url = problems.secret("fallback.smtp.url", smtp.url, smtp.url_file);
    let to: Vec<String> =
        smtp.to.iter().flat_map(|to| to.split(',')).map(|to| to.trim().to_owned()).collect();
    let smtp = match (url, smtp.from) {
        (Some(url), Some(from)) if to.iter().any(|to| !to.is_empty()) => {
            Some(Smtp { url, from, to: to.into_iter().filter(|to| !to.is_empty()).collect() })
        }
        (None, None) if to.is_empty() => None,
        (_, _) => {
            problems.add("fallback.smtp needs all of url, from and to (several addresses with commas)");
            None
        }
    };
    let any = feishu_bot.is_some() || webhook.is_some() || smtp.is_some();
    any.then_some(Fallback { after, feishu_bot, webhook, smtp })
}
