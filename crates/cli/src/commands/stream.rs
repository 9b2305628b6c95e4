//! Reads server-sent events out of the chunks in which they arrive.

// The sandbox hands on bodies of up to 32 MiB; a line that never ends must not fill the memory.
const MAX_BUFFER: usize = 64 * 1024 * 1024;

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SentEvent {
    /// Its position, when it has one.
    pub(super) id: Option<String>,
    /// Its name; empty means `message`.
    pub(super) name: String,
    /// Its data, lines joined.
    pub(super) data: String,
}

/// The stream broke the format.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overlong;

/// Puts events together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    buffer: Vec<u8>,
    event: SentEvent,
    has_data: bool,
    last_id: Option<String>,
}

impl Assembler {
    /// The position reached, which an event without data may tell as well.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Takes a chunk and gives the events that it completes.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Result<Vec<SentEvent>, Overlong> {
        self.buffer.extend_from_slice(chunk);
        let mut complete = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            complete.extend(self.take_line(line.trim_end_matches(['\r', '\n'])));
        }
        if self.buffer.len() > MAX_BUFFER { Err(Overlong) } else { Ok(complete) }
    }

    fn take_line(&mut self, line: &str) -> Option<SentEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return if std::mem::take(&mut self.has_data) { Some(event) } else { None };
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => {
                self.event.id = Some(value.to_owned());
                self.last_id = self.event.id.clone();
            }
            "event" => value.clone_into(&mut self.event.name),
            "data" => self.take_data(value),
            // A comment (the heartbeat) has an empty field; `retry` and others change nothing here.
            _ => {}
        }
        None
    }

    fn take_data(&mut self, value: &str) {
        if self.has_data {
            self.event.data.push('\n');
        }
        self.event.data.push_str(value);
        self.has_data = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_however_they_are_cut() {
        let wire =
            b": heartbeat\nid: 7-2\n\nid: 7-3\nevent: attempt\ndata: {\"a\":\ndata: 1}\r\n\r\nretry: 5\n\ndata:x\n\n";
        for size in [1, 2, 7, wire.len()] {
            let mut assembler = Assembler::default();
            let events: Vec<_> = wire.chunks(size).flat_map(|chunk| assembler.take(chunk).unwrap()).collect();
            let first =
                SentEvent { id: Some("7-3".into()), name: "attempt".into(), data: "{\"a\":\n1}".into() };
            let second = SentEvent { data: "x".into(), ..SentEvent::default() };
            assert_eq!(events, [first, second], "chunks of {size}");
            assert_eq!(assembler.last_id(), Some("7-3"));
        }
    }

    #[test]
    fn a_position_is_told_without_an_event_too() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.take(b"id: 5\n: following\n\n").unwrap(), []);
        assert_eq!(assembler.last_id(), Some("5"));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.take(&vec![b'x'; MAX_BUFFER + 1]), Err(Overlong));
    }
}
