//! Log lines on standard error.

use std::io::{self, Write};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value` lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error; call once per process.
///
/// `filter` is a level or a list such as `info,larkhorn=debug`. Errors: the
/// filter cannot be read, or logging has been started before.
pub fn init_logs(format: LogFormat, filter: &str) -> Result<(), String> {
    let parsed = parse(filter)?;
    match format {
        LogFormat::Text => text(parsed, io::stderr).try_init(),
        LogFormat::Json => json(parsed, io::stderr).try_init(),
    }
    .map_err(|e| format!("cannot start logging: {e}"))
}

/// Whether [`init_logs`] can read the filter, or why not.
pub fn check_filter(filter: &str) -> Result<(), String> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|e| {
        format!("log filter {filter:?}: {e}; write a level or a list such as info,larkhorn=debug")
    })
}

fn text<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Without colours every control character in a line comes from a value.
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(OneLine(writer)).finish()
}

fn json<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_env_filter(filter).json().flatten_event(true).with_writer(writer).finish()
}

/// Escapes control characters on the way to the writer within.
struct OneLine<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for OneLine<W> {
    type Writer = OneLineWriter<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        OneLineWriter(self.0.make_writer())
    }
}

struct OneLineWriter<W>(W);

impl<W: Write> Write for OneLineWriter<W> {
    /// Takes one whole event: the subscriber formats it first and writes it at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = one_line(text.strip_suffix('\n').unwrap_or(&text));
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text with control characters, Unicode's line separators and what turns
/// the reading direction escaped.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c.is_control()
            || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Captured {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    const HOSTILE: &str = "disk full\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{9b}2J\r\u{2028}end \u{202e}kcehc\u{2069} 磁盘";

    fn captured(log: &Captured) -> String {
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_value_cannot_break_a_line_of_text() {
        let log = Captured::default();
        tracing::subscriber::with_default(text(EnvFilter::new("info"), log.clone()), || {
            tracing::info!(title = %HOSTILE, "{HOSTILE}");
            tracing::debug!("filtered");
        });
        let written = captured(&log);
        assert_eq!(written.lines().count(), 1, "{written:?}");
        assert!(
            written.ends_with('\n')
                && !written.contains(['\u{1b}', '\u{9b}', '\r', '\u{2028}', '\u{202e}', '\u{2069}']),
            "{written:?}"
        );
        assert!(written.contains("disk full\\n2026") && written.contains("磁盘"), "{written:?}");
    }

    #[test]
    fn a_line_of_json_is_one_object() {
        let log = Captured::default();
        tracing::subscriber::with_default(json(EnvFilter::new("info"), log.clone()), || {
            tracing::info!(title = %HOSTILE, "opened");
        });
        let written = captured(&log);
        assert_eq!(written.lines().count(), 1, "{written:?}");
        let line: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(line["title"], HOSTILE);
        assert_eq!(line["message"], "opened");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let error = init_logs(LogFormat::Text, "larkhorn=loud").unwrap_err();
        assert!(error.contains("larkhorn=loud") && error.contains("larkhorn=debug"), "{error}");
    }
}
