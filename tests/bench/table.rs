//! Numbers as people read them: percentiles, verdicts, lines of a Markdown table.

use std::time::Duration;

/// Prints the head of a table.
pub(crate) fn head(columns: &[&str]) {
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

/// Prints a line of it.
pub(crate) fn line(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

/// `met` or `MISSED`.
pub(crate) fn verdict(met: bool) -> String {
    if met { "met" } else { "**missed**" }.to_owned()
}

/// The middle one, and the one that `worse` puts last.
pub(crate) fn median_and_worst(values: &mut [f64], higher_is_better: bool) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let worst = if higher_is_better { values.first() } else { values.last() };
    (values[values.len() / 2], *worst.unwrap())
}

/// The duration below which the given share of all lies, in milliseconds. Sorts.
pub(crate) fn percentile_ms(all: &mut [Duration], share: f64) -> f64 {
    all.sort_unstable();
    let at = ((all.len() as f64 * share).ceil() as usize).clamp(1, all.len());
    all[at - 1].as_secs_f64() * 1e3
}

/// `12 345`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
