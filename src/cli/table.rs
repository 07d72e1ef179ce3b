//! Columns of text that line up, whatever script is in them.

use unicode_width::UnicodeWidthStr;

/// How many cells of a terminal a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A text with spaces behind it up to that width.
pub(super) fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Rows with every column as wide as its widest cell, two spaces between; the
/// last one has none behind it.
pub(super) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, to)| padded(cell, *to)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_in_any_script() {
        let rows = [["值班", "lin"], ["db", "王伟"], ["", "x"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), ["值班  lin", "db    王伟", "      x"]);
    }
}
