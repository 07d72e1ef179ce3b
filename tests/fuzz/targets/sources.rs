//! Whatever is posted: no panic, no overflow, and what was accepted decodes,
//! alert for alert, to the kind that was recognised.

#![no_main]

use larkhorn::sources::{Hint, decode, detect, inspect, is_complete, visit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for hint in [Hint::Any, Hint::Alertmanager, Hint::Grafana] {
        let Ok((kind, alerts)) = inspect(hint, body) else { continue };
        assert_eq!(detect(hint, body).ok(), Some(kind), "what inspect accepts, detect recognises");
        let mut visited = 0;
        visit(kind, body, &mut |_| visited += 1).expect("what inspect accepts can be visited");
        let group = decode(kind, body).expect("what inspect accepts can be decoded");
        assert_eq!((visited, group.alerts.len() as u64), (alerts, alerts));
        is_complete(&group.header);
    }
});
