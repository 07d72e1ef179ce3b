//! The report as JUnit's XML, which every CI shows.

use super::compare::Line;
use super::{Report, Verdict};

/// One suite for each file.
pub(super) fn report(reports: &[Report]) -> String {
    let suites: String = reports.iter().map(suite).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}</testsuites>\n")
}

fn suite(report: &Report) -> String {
    let file = escape(&report.file);
    let failed = report.tests.iter().filter(|test| !test.ok).count();
    let errors = usize::from(!report.errors.is_empty());
    let seconds: f64 = report.tests.iter().map(|test| test.seconds).sum();
    let count = report.tests.len() + errors;
    let mut cases: String = report.tests.iter().map(|test| case(&file, test)).collect();
    if errors > 0 {
        let why = escape(&report.errors.join("\n"));
        cases.push_str("    <testcase classname=\"");
        cases.push_str(&file);
        cases.push_str("\" name=\"the file\"><error message=\"not run\">");
        cases.push_str(&why);
        cases.push_str("</error></testcase>\n");
    }
    format!(
        "  <testsuite name=\"{file}\" tests=\"{count}\" failures=\"{failed}\" errors=\"{errors}\" \
         time=\"{seconds:.3}\">\n{cases}  </testsuite>\n"
    )
}

fn case(file: &str, verdict: &Verdict) -> String {
    let Verdict { line, seconds, .. } = verdict;
    let name = escape(&verdict.name);
    let head =
        format!("    <testcase classname=\"{file}\" name=\"{name}\" line=\"{line}\" time=\"{seconds:.3}\"");
    if verdict.ok {
        return format!("{head}/>\n");
    }
    let lines = verdict.problems.iter().cloned().chain(verdict.pages.iter().map(Line::words));
    let why = escape(&lines.collect::<Vec<_>>().join("\n"));
    format!("{head}><failure message=\"not as expected\">{why}</failure></testcase>\n")
}

/// Characters that XML forbids even as references are replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_stays_inside_its_element() {
        assert_eq!(escape("a<b> & \"c\"\u{1}磁盘"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}磁盘");
        let verdict = |ok, problems: &[&str]| Verdict {
            name: "n".to_owned(),
            line: 3,
            ok,
            problems: problems.iter().map(|p| (*p).to_owned()).collect(),
            pages: Vec::new(),
            seconds: 0.0,
        };
        let tests = vec![verdict(true, &[]), verdict(false, &["x < y"])];
        let xml = report(&[Report { file: "f.yaml".to_owned(), errors: vec!["e".to_owned()], tests }]);
        assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"1\""), "{xml}");
        assert!(xml.contains("<failure message=\"not as expected\">x &lt; y</failure>"), "{xml}");
    }
}
