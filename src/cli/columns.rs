//! Cells in columns that line up, whatever script the names are in.

use unicode_width::UnicodeWidthStr;

use super::output::{Paint, Tone, printable};

/// Between columns.
const GAP: &str = "  ";

/// A cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    tone: Option<Tone>,
    right: bool,
}

impl Cell {
    /// Text at the left; that of strangers is made safe.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self { text: printable(text.as_ref()).into_owned(), tone: None, right: false }
    }

    /// At the right of its column.
    #[must_use]
    pub(super) fn right(self) -> Self {
        Self { right: true, ..self }
    }

    /// In colour.
    #[must_use]
    pub(super) fn tone(self, tone: Tone) -> Self {
        Self { tone: Some(tone), ..self }
    }
}

/// How many cells of a terminal a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A text with spaces behind it up to that width.
pub(super) fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Rows of plain text as lines, without space at their ends.
pub(super) fn plain(rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(Cell::new).collect()).collect();
    lines(&rows, Paint::NONE)
}

/// The rows as lines, without space at their ends.
pub(super) fn lines(rows: &[Vec<Cell>], paint: Paint) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter().map(|row| line(row, &widths, paint)).collect()
}

fn line(row: &[Cell], widths: &[usize], paint: Paint) -> String {
    let mut line = String::new();
    let mut owed = String::new();
    for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
        if at > 0 && *width > 0 {
            owed.push_str(GAP);
        }
        let pad = " ".repeat(width.saturating_sub(cell.text.width()));
        let (before, after) = if cell.right { (pad.as_str(), "") } else { ("", pad.as_str()) };
        owed.push_str(before);
        if !cell.text.is_empty() {
            line.push_str(&std::mem::take(&mut owed));
            line.push_str(&cell.tone.map_or_else(|| cell.text.clone(), |tone| paint.tint(tone, &cell.text)));
        }
        owed.push_str(after);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_across_scripts() {
        let rows = [
            vec![Cell::new("林岚"), Cell::new("3m").right(), Cell::new("x")],
            vec![Cell::new("mara"), Cell::new("10m").right(), Cell::new("")],
            vec![Cell::new(""), Cell::new("1h"), Cell::new("值班群")],
        ];
        let made = lines(&rows, Paint::NONE);
        assert_eq!(made, ["林岚   3m  x", "mara  10m", "      1h   值班群"]);
        let rows = [["值班", "lin"], ["db", "王伟"], ["", "x"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(plain(&rows), ["值班  lin", "db    王伟", "      x"]);
    }
}
