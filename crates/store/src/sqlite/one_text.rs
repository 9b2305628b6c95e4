//! Asks whether one text matches, in a full-text table in memory that holds nothing else.
//!
//! A table of many texts has no cheap answer to that: where words are common but never meet, SQLite looks for the next text
//! that matches up to the end of the table. Here the cost is that of the text.

use rusqlite::Connection;

use super::failure::Failure;
use super::rows::{execute, value};

/// The table.
pub(super) struct OneText {
    memory: Connection,
}

impl OneText {
    /// An empty table that takes words as `tokenizer` does.
    pub(super) fn new(tokenizer: &str) -> Result<Self, Failure> {
        let memory = Connection::open_in_memory()?;
        memory.execute_batch(&format!(
            "create virtual table one_text using fts5(words, content='', tokenize='{tokenizer}')"
        ))?;
        Ok(Self { memory })
    }

    /// Whether a text matches a query of FTS5.
    pub(super) fn matches(&self, text: &str, query: &str) -> Result<bool, Failure> {
        execute(&self.memory, "begin", [])?;
        let matches = self.look(text, query);
        // Cheaper than a deletion.
        execute(&self.memory, "rollback", [])?;
        matches
    }

    fn look(&self, text: &str, query: &str) -> Result<bool, Failure> {
        execute(&self.memory, "insert into one_text (rowid, words) values (1, ?1)", [text])?;
        value(&self.memory, "select exists (select 1 from one_text where words match ?1)", [query])
    }
}
