//! Tables: fitted to the terminal's width for people, plain aligned columns otherwise.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width, presets};

use super::escape::escape;

// Longer texts are cut where no terminal wraps them; `--json` and `show` have them whole.
const MAX_CELL: usize = 60;
const USUAL_WIDTH: u16 = 100;
// Columns of prose are wrapped; ids, numbers and times stay whole, because people copy them.
const PROSE: &[&str] = &["TEXT", "LAST ERROR", "URL"];
const LEAST_PROSE: u16 = 16;
// A long text must not push the rest of the list off the screen.
const MAX_LINES: usize = 3;

/// Rows under headings. Cells are escaped when they are added.
pub(crate) struct Table {
    headings: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(headings: &'static [&'static str]) -> Self {
        Self { headings, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| escape(cell).into_owned()).collect());
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text without a final line end.
    pub(crate) fn render(&self, for_terminal: bool) -> String {
        if for_terminal { self.fitted() } else { self.plain() }
    }

    fn fitted(&self) -> String {
        let width = terminal_size::terminal_size().map_or(USUAL_WIDTH, |(width, _)| width.0);
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
        table.set_header(self.headings);
        table.set_truncation_indicator("…");
        for cells in &self.rows {
            let mut row = Row::from(cells);
            row.max_height(MAX_LINES);
            table.add_row(row);
        }
        let prose = self.headings.iter().map(|heading| PROSE.contains(heading));
        table.set_constraints(prose.map(|prose| {
            if prose {
                ColumnConstraint::LowerBoundary(Width::Fixed(LEAST_PROSE))
            } else {
                ColumnConstraint::ContentWidth
            }
        }));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }

    fn plain(&self) -> String {
        let headings = self.headings.iter().map(|heading| (*heading).to_owned()).collect();
        let cut = |row: &Vec<String>| row.iter().map(|cell| shorten(cell)).collect();
        let rows: Vec<Vec<String>> = [headings].into_iter().chain(self.rows.iter().map(cut)).collect();
        align(&rows)
    }
}

/// Puts cells below each other, two blanks apart.
pub(crate) fn align(rows: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn shorten(cell: &str) -> String {
    match cell.char_indices().nth(MAX_CELL) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_columns_are_aligned_and_safe() {
        let mut table = Table::new(&["ID", "TEXT"]);
        table.add(vec!["1".into(), "Hello\x1b[2J".into()]);
        table.add(vec!["1000".into(), "x".repeat(80)]);
        insta::assert_snapshot!(table.render(false), @r"
        ID    TEXT
        1     Hello\u{1b}[2J
        1000  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        ");
    }

    #[test]
    fn a_long_text_ends_after_three_lines_on_a_terminal() {
        let mut table = Table::new(&["ID", "TEXT"]);
        table.add(vec!["1".into(), "word ".repeat(300)]);
        table.add(vec!["2".into(), "short".into()]);
        let rendered = table.render(true);
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(lines.len(), 5, "{rendered}");
        assert!(lines[3].ends_with('…') && lines[4].starts_with("2   short"), "{rendered}");
    }

    #[test]
    fn fitted_columns_are_safe() {
        let mut table = Table::new(&["ID", "TEXT"]);
        table.add(vec!["1".into(), "Hello\x1b[2J".into()]);
        assert!(!table.render(true).contains('\x1b'));
    }
}
