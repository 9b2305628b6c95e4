//! Deliveries as aligned lines: `-->` for an event, `<--` for what its receiver answered.

use std::io::IsTerminal;

use inlet_domain::Timestamp;
use serde_json::{Value, json};

use super::delivery::{Attempt, Change, Delivery, Status};
use crate::environment::Environment;
use crate::output::{self, escape};

/// As wide as `2026-01-31 08:00:00Z`.
const TIME_WIDTH: usize = 20;
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";
const FAINT: &str = "2";

/// Prints what happens to deliveries.
pub(super) struct Arrows {
    json: bool,
    colours: bool,
    // A line within the same second as the one above leaves the time out.
    last_time: String,
}

impl Arrows {
    /// For people, in colours where they see them; or as one JSON object a line.
    pub(super) fn new(json: bool, environment: &Environment) -> Self {
        let plain = environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
        let colours = !plain && std::io::stdout().is_terminal();
        Self { json, colours, last_time: String::new() }
    }

    /// Prints what is new about a delivery.
    pub(super) fn print(&mut self, delivery: &Delivery, changes: &[Change<'_>]) -> anyhow::Result<()> {
        for change in changes {
            if let Some(line) = self.line(delivery, change) {
                output::line(&line)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, delivery: &Delivery, change: &Change<'_>) -> Option<String> {
        if self.json {
            return Some(json_of(delivery, change).to_string());
        }
        match change {
            Change::Event => Some(self.event_line(delivery)),
            Change::Attempt(attempt) => Some(self.attempt_line(delivery, attempt)),
            // The attempt above has said so.
            Change::End if delivery.status == Status::Delivered => None,
            Change::End => Some(self.end_line(delivery)),
        }
    }

    fn event_line(&mut self, delivery: &Delivery) -> String {
        let time = self.time(delivery.started_at);
        let event_type = self.paint(CYAN, &escape(&delivery.event_type));
        format!("{time}  --> {event_type}  {}", self.id(delivery))
    }

    fn attempt_line(&mut self, delivery: &Delivery, attempt: &Attempt) -> String {
        let time = self.time(attempt.finished_at);
        let answer = match attempt.response_status {
            Some(status) => format!("[{status}]"),
            None => "[---]".to_owned(),
        };
        let answer = self.paint(if attempt.delivered { GREEN } else { RED }, &answer);
        let (url, id) = (escape(&attempt.url), self.id(delivery));
        format!("{time}  <-- {answer} POST {url} {id} {} ms{}", attempt.duration_ms, remark(attempt))
    }

    fn end_line(&mut self, delivery: &Delivery) -> String {
        let time = self.time(delivery.attempts.last().map_or(delivery.started_at, |last| last.finished_at));
        let how = match delivery.status {
            Status::NoUrl => "not sent: no webhook URL".to_owned(),
            Status::Dropped => {
                "not sent: a fault dropped it, or webhook version 1 has no form for it".to_owned()
            }
            _ => match delivery.attempts.len() {
                1 => "gave up after 1 attempt".to_owned(),
                attempts => format!("gave up after {attempts} attempts"),
            },
        };
        let how = self.paint(RED, &how);
        format!("{time}  <-- {how}  {}", self.id(delivery))
    }

    fn id(&self, delivery: &Delivery) -> String {
        self.paint(FAINT, &format!("[{}]", escape(&delivery.event_id)))
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn time(&mut self, moment: Timestamp) -> String {
        let time = output::time(moment).replacen('T', " ", 1);
        let shown = if time == self.last_time { String::new() } else { time.clone() };
        self.last_time = time;
        self.paint(FAINT, &format!("{shown:TIME_WIDTH$}"))
    }
}

/// Which try it was, and why it failed where the status does not say so.
fn remark(attempt: &Attempt) -> String {
    let mut remark = String::new();
    if attempt.copy > 0 {
        remark.push_str(&format!("  duplicate {}", attempt.copy));
    }
    if attempt.number > 1 || !attempt.delivered {
        remark.push_str(&format!("  attempt {}", attempt.number));
    }
    let error = attempt.error.as_ref().filter(|_| attempt.response_status.is_none() || attempt.delivered);
    if let Some(error) = error {
        remark.push_str(&format!("  {}", escape(&error.title)));
    }
    remark
}

fn json_of(delivery: &Delivery, change: &Change<'_>) -> Value {
    let Delivery { sequence, event_id, event_type, message_id, status, url, started_at, .. } = delivery;
    match change {
        Change::Event => json!({
            "kind": "event", "sequence": sequence, "event_id": event_id, "event_type": event_type,
            "message_id": message_id, "url": url, "started_at": started_at,
        }),
        Change::Attempt(attempt) => json!({
            "kind": "attempt", "sequence": sequence, "event_id": event_id, "event_type": event_type,
            "attempt": attempt,
        }),
        Change::End => json!({
            "kind": "end", "sequence": sequence, "event_id": event_id, "event_type": event_type,
            "status": status,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::delivery::Told;
    use super::super::delivery::fixtures::delivery;
    use super::*;

    fn arrows(json: bool) -> Arrows {
        Arrows { json, colours: false, last_time: String::new() }
    }

    fn lines(arrows: &mut Arrows, delivery: &Delivery) -> Vec<String> {
        let changes = Told::default().changes(delivery);
        changes.iter().filter_map(|change| arrows.line(delivery, change)).collect()
    }

    #[test]
    fn what_happens_is_a_line_each_in_columns() {
        let mut arrows = arrows(false);
        let mut all = lines(&mut arrows, &delivery(1, Status::Delivered, &[503, 0, 200]));
        all.extend(lines(&mut arrows, &delivery(2, Status::Failed, &[0])));
        all.extend(lines(&mut arrows, &delivery(3, Status::NoUrl, &[])));
        insta::assert_snapshot!(all.join("\n"), @r"
        2026-01-31 08:00:00Z  --> message.received  [evt-1]
                              <-- [503] POST http://localhost:3000/webhooks [evt-1] 12 ms  attempt 1
                              <-- [---] POST http://localhost:3000/webhooks [evt-1] 12 ms  attempt 2  The connection failed
                              <-- [200] POST http://localhost:3000/webhooks [evt-1] 12 ms  attempt 3
                              --> message.received  [evt-2]
                              <-- [---] POST http://localhost:3000/webhooks [evt-2] 12 ms  attempt 1  The connection failed
                              <-- gave up after 1 attempt  [evt-2]
                              --> message.received  [evt-3]
                              <-- not sent: no webhook URL  [evt-3]
        ");
    }

    #[test]
    fn programs_get_an_object_a_line() {
        let lines = lines(&mut arrows(true), &delivery(1, Status::Delivered, &[200]));
        let kinds: Vec<Value> =
            lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone()).collect();
        assert_eq!(kinds, ["event", "attempt", "end"]);
    }

    #[test]
    fn a_stranger_cannot_write_to_the_terminal() {
        let mut hostile = delivery(1, Status::NoUrl, &[]);
        hostile.event_type = "a\x1b[2Jb".to_owned();
        let mut arrows = Arrows { colours: true, ..arrows(false) };
        assert!(lines(&mut arrows, &hostile).iter().all(|line| !line.contains("\x1b[2J")));
    }
}
