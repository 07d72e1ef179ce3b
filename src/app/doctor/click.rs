//! Do presses of buttons arrive? Only a press can tell.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::{Check, Click, Patient};
use crate::app::trial;
use crate::domain::{Clock, Incident, IncidentId, MessageId};
use crate::feishu::callbacks::{Inbound, Toast, ToastKind};
use crate::feishu::listening::{Heard, Listener, Unheard};
use crate::feishu::{Address, CardInput, Cards, Content};
use crate::settings::Events;

/// No store ever counts so far: a larkhorn that gets the press knows it is not its own.
const NO_INCIDENT: i64 = i64::MAX;
/// Time for the answer to a press to go out.
const TOAST: Duration = Duration::from_secs(1);
const NAME: &str = "callbacks";
const MEND: &str = "in the console, under Events and Callbacks, choose the long connection for callbacks too and \
                    subscribe to card.action.trigger, then publish; a larkhorn that runs with the same app may \
                    have got the press instead: stop it for this check";

/// Waits for a press on one card, and lets everything else pass.
struct Ear {
    card: MessageId,
    pressed: mpsc::Sender<()>,
}

#[async_trait]
impl Listener for Ear {
    async fn hear(&self, inbound: Inbound) -> Result<Heard, Unheard> {
        match inbound {
            Inbound::Press { message, .. } if message == self.card => {
                let toast = Toast::new(ToastKind::Success, "收到，按钮可以使用", "Got it: buttons work");
                if self.pressed.send(()).await.is_err() {
                    tracing::debug!("nobody waits for the press any more");
                }
                Ok(Heard { toast: Some(toast), card: None })
            }
            // Not ours: a larkhorn that runs shall get it when Feishu sends it again.
            Inbound::Press { .. }
            | Inbound::Said { .. }
            | Inbound::Reacted { .. }
            | Inbound::Read { .. }
            | Inbound::Challenge(_)
            | Inbound::Other { .. } => Err(Unheard),
        }
    }
}

/// Posts a card and waits for its button to be pressed.
pub(super) async fn look(
    patient: &Patient<'_>,
    card: &Click,
    clock: Arc<dyn Clock>,
    tell: &mut (dyn FnMut(Check) + Send),
) {
    if patient.settings.feishu.events != Events::LongConnection {
        tell(Check::skip(NAME, "a press can be waited for over the long connection only (feishu.events)"));
        return;
    }
    tell(match wait(patient, card, clock).await {
        Ok(true) => Check::ok(NAME, "the press arrived"),
        Ok(false) => {
            Check::fail(NAME, format!("no press arrived within {} s", card.patience.as_secs()), MEND)
        }
        Err(error) => Check::fail(NAME, format!("{error:#}"), MEND),
    });
}

async fn wait(patient: &Patient<'_>, card: &Click, clock: Arc<dyn Clock>) -> anyhow::Result<bool> {
    let rules = patient.rules.ok_or_else(|| anyhow::anyhow!("the rules cannot be read"))?;
    let chat = match &card.chat {
        Some(name) => trial::find_chat(rules, name)?,
        None => rules
            .chats()
            .next()
            .map(|(_, id)| id.clone())
            .ok_or_else(|| anyhow::anyhow!("the rules have no chat"))?,
    };
    let now = clock.now();
    // Connected first: a press must not be faster.
    let mut session = patient.client.open_long_connection().await?;
    let (cards, _) = Cards::new(patient.settings.feishu.locale, patient.settings.timezone.clone(), &[]);
    let incident = Incident { id: Some(IncidentId(NO_INCIDENT)), ..trial::incident(now) };
    let drawn =
        cards.with_buttons().render(&CardInput { incident: &incident, alerts: &[], paged: &[] }, now).json;
    let sent = patient.client.send(now, &Address::Chat(chat), &Content::Card(drawn), &Uuid::new_v4()).await?;
    let (pressed, mut heard) = mpsc::channel(1);
    let ear: Arc<dyn Listener> = Arc::new(Ear { card: sent.message, pressed });
    let (stop, mut stopped) = watch::channel(false);
    let app = patient.client.app_id().to_owned();
    let listening = tokio::spawn(async move { session.run(&app, &ear, &mut stopped).await });
    let arrived = tokio::time::timeout(card.patience, heard.recv()).await;
    if matches!(arrived, Ok(Some(()))) {
        // The toast goes out over the session, after the press was heard.
        tokio::time::sleep(TOAST).await;
    }
    stop.send_replace(true);
    drop(listening.await);
    Ok(matches!(arrived, Ok(Some(()))))
}
