//! Which labels an incident is silenced by.

use crate::domain::{Alert, Incident, Labels, MemberState};

/// Labels that say how bad an alert is, not what burns. By them alone a
/// silence would mute everything as bad, everywhere.
const LOUDNESS: [&str; 3] = ["severity", "priority", "level"];

/// All labels of the incident's only alert, or those that its alerts share.
///
/// `alerts` are the incident's, as many as are at hand; those that have
/// recovered do not count. Every firing one given matches what is returned.
///
/// # Errors
///
/// `no_common_labels`: they share nothing, or only how bad it is, so a silence
/// would mute others too. (The word for `Answer::Impossible`.)
pub fn matchers_for(incident: &Incident, alerts: &[&Alert<'_>]) -> Result<Labels<'static>, &'static str> {
    let members = &incident.standing.members;
    let known = alerts.iter().filter(|alert| members.contains_key(&alert.fingerprint));
    let shared = match (members.len(), known.clone().next()) {
        (1, Some(only)) => only.labels.clone().into_owned(),
        _ => known
            .filter(|a| members.get(&a.fingerprint).is_some_and(|m| m.state == MemberState::Firing))
            .fold(incident.labels.clone(), |shared, alert| shared.common(&alert.labels)),
    };
    // An empty value matches everything that lacks the label.
    let said: Labels<'_> = shared.iter().filter(|(_, value)| !value.is_empty()).collect();
    if said.iter().all(|(name, _)| LOUDNESS.contains(&name)) {
        return Err("no_common_labels");
    }
    Ok(said.into_owned())
}
