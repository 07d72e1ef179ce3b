//! Webhooks as Alertmanager sends them, with as many alerts as are asked for.

use std::fmt::Write as _;

/// A body of one group. Alerts are numbered from `first` on, so that no two
/// bodies with different numbers share an alert. About 800 bytes an alert.
pub(crate) fn body(group: &str, severity: &str, first: usize, alerts: usize) -> String {
    let mut text = String::with_capacity(alerts * 840 + 600);
    text.push_str(r#"{"receiver":"feishu","status":"firing","alerts":["#);
    for n in first..first + alerts {
        if n > first {
            text.push(',');
        }
        alert(&mut text, group, severity, n);
    }
    write!(
        text,
        r#"],"groupLabels":{{"alertname":"{group}"}},"commonLabels":{{"alertname":"{group}","severity":"{severity}"}},"commonAnnotations":{{}},"externalURL":"http://alertmanager.example.com:9093","version":"4","groupKey":"{{}}:{{alertname=\"{group}\"}}","truncatedAlerts":0}}"#
    )
    .unwrap();
    text
}

fn alert(text: &mut String, group: &str, severity: &str, n: usize) {
    write!(
        text,
        r#"{{"status":"firing","labels":{{"alertname":"{group}","cluster":"prod-cn-1","instance":"10.{}.{}.{}:9100","job":"node-exporter","mountpoint":"/data","namespace":"monitoring","pod":"checkout-{n:08}","service":"checkout","severity":"{severity}","team":"infra","env":"prod","zone":"b"}},"annotations":{{"description":"{n:08} 号节点 /data 只剩 4.42% 可用空间，预计两小时后写满，请清理日志或扩容。","runbook_url":"https://runbooks.example.com/node/DiskAlmostFull","summary":"Disk almost full on node {n:08}"}},"startsAt":"2026-11-22T03:45:14.271Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example.com:9090/graph?g0.expr=node_filesystem_avail_bytes%7Bfstype%21~%22tmpfs%22%7D+%2F+node_filesystem_size_bytes&g0.tab=1","fingerprint":"{n:016x}"}}"#,
        n >> 16 & 255,
        n >> 8 & 255,
        n & 255,
    )
    .unwrap();
}

/// A request as it goes over the wire.
pub(crate) fn request(body: &str) -> Vec<u8> {
    let head = format!(
        "POST /webhook/alertmanager HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Alertmanager/0.33.1\r\n\
         Content-Length: {}\r\nContent-Type: application/json\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A request with one alert whose group, fingerprint and texts are made anew
/// for each number, in place.
pub(crate) struct Unique {
    bytes: Vec<u8>,
    decimal: Vec<usize>,
    hex: Vec<usize>,
}

impl Unique {
    const GROUP: &str = "Disk99999999";

    pub(crate) fn new() -> Self {
        let bytes = request(&body(Self::GROUP, "critical", 99_999_999, 1));
        let decimal = Self::places(&bytes, "99999999");
        let hex = Self::places(&bytes, &format!("{:016x}", 99_999_999));
        assert!(decimal.len() >= 5 && hex.len() == 1, "the numbers are not where they should be");
        Self { bytes, decimal, hex }
    }

    /// The same alert as Prometheus sends it to Alertmanager.
    pub(crate) fn for_alertmanager() -> Self {
        let body = r#"[{"labels":{"alertname":"Disk99999999","cluster":"prod-cn-1","instance":"10.0.0.1:9100","job":"node-exporter","mountpoint":"/data","namespace":"monitoring","pod":"checkout-99999999","service":"checkout","severity":"critical","team":"infra","env":"prod","zone":"b"},"annotations":{"description":"/data 只剩 4.42% 可用空间，预计两小时后写满，请清理日志或扩容。","runbook_url":"https://runbooks.example.com/node/DiskAlmostFull","summary":"Disk almost full"},"startsAt":"2026-11-22T03:45:14.271Z","endsAt":"2036-11-22T03:45:14.271Z","generatorURL":"http://prometheus.example.com:9090/graph?g0.expr=up&g0.tab=1"}]"#;
        let head = format!(
            "POST /api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n",
            body.len()
        );
        let bytes = [head.as_bytes(), body.as_bytes()].concat();
        Self { decimal: Self::places(&bytes, "99999999"), hex: Vec::new(), bytes }
    }

    fn places(bytes: &[u8], what: &str) -> Vec<usize> {
        (0..bytes.len() - what.len()).filter(|at| bytes[*at..].starts_with(what.as_bytes())).collect()
    }

    pub(crate) fn numbered(&mut self, n: usize) -> &[u8] {
        let (decimal, hex) = (format!("{n:08}"), format!("{n:016x}"));
        for at in &self.decimal {
            self.bytes[*at..at + 8].copy_from_slice(decimal.as_bytes());
        }
        for at in &self.hex {
            self.bytes[*at..at + 16].copy_from_slice(hex.as_bytes());
        }
        &self.bytes
    }
}
