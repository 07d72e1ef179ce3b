//! Faults as the command line spells them.

use crate::sandbox::{Api, Fault, Outcome};

/// Below are HTTP statuses, from here on Feishu's codes.
const CODE_MIN: i64 = 1000;

/// Reads `urgent_phone=230024`, `message.send=502*3`, `urgent.sms=lost`. Calls
/// are named as the fake Feishu's log names them, with `.` or `_`.
pub(super) fn parse(text: &str) -> Result<Fault, String> {
    let wrong =
        || "CALL=WHAT is expected, such as urgent_phone=230024, message.send=502*3 or urgent_sms=lost";
    let (call, what) = text.split_once('=').ok_or_else(wrong)?;
    let plain = |name: &str| name.replace('.', "_");
    let api = Api::ALL.iter().copied().find(|api| plain(api.as_str()) == plain(call)).ok_or_else(|| {
        let known: Vec<&str> = Api::ALL.iter().map(|api| api.as_str()).collect();
        format!("no call is named {call:?}; known: {}", known.join(", "))
    })?;
    let (what, times) = match what.split_once('*') {
        Some((what, times)) => (what, Some(times.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?)),
        None => (what, None),
    };
    let outcome = match (what, what.parse::<i64>()) {
        ("lost", _) => Outcome::LostResponse,
        (_, Ok(429)) => Outcome::RateLimited { reset_s: 1 },
        (_, Ok(status)) if (400..600).contains(&status) => {
            Outcome::Http(u16::try_from(status).map_err(|_| wrong())?)
        }
        (_, Ok(code)) if code >= CODE_MIN => Outcome::Code(code, "refused, as --fault wants it".to_owned()),
        (_, _) => return Err(wrong().to_owned()),
    };
    Ok(Fault { api, times, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_spelled_as_the_help_says() {
        let fault = parse("urgent_phone=230024").unwrap();
        assert_eq!((fault.api, fault.times), (Api::UrgentPhone, None));
        assert!(matches!(fault.outcome, Outcome::Code(230_024, _)));
        let fault = parse("message.send=502*3").unwrap();
        assert_eq!(fault, Fault { api: Api::Send, times: Some(3), outcome: Outcome::Http(502) });
        assert_eq!(parse("feed_card.chat=lost").unwrap().outcome, Outcome::LostResponse);
        assert_eq!(parse("urgent.app=429").unwrap().outcome, Outcome::RateLimited { reset_s: 1 });
        for text in
            ["urgent_phone", "urgent_phone=", "urgent_phone=200", "urgent_phone=502*0", "urgent_phone=-1"]
        {
            assert!(parse(text).unwrap_err().contains("230024"), "{text}");
        }
        assert!(parse("urgent_fax=1").unwrap_err().contains("urgent.phone"));
    }
}
