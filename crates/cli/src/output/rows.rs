//! How each kind of thing stands in a table.

use inlet_domain::{
    Conversation, DestinationStatus, Direction, Event, Job, Media, Message, Replay, Timestamp,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Something that stands in a table.
pub(crate) trait Row: DeserializeOwned {
    /// The headings.
    const HEADINGS: &'static [&'static str];
    /// What to say when there is none.
    const NONE: &'static str;

    /// Its cells, unescaped.
    fn cells(&self) -> Vec<String>;
}

/// To the second: nobody reads more.
pub(crate) fn time(moment: Timestamp) -> String {
    let text = moment.to_string();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

fn optional_time(moment: Option<Timestamp>) -> String {
    moment.map(time).unwrap_or_default()
}

fn yes(flag: bool) -> String {
    if flag { "yes" } else { "" }.to_owned()
}

impl Row for Event {
    const HEADINGS: &'static [&'static str] =
        &["RECEIVED", "TYPE", "SOURCE", "ID", "MESSAGE", "DUPLICATES", "NOTE"];
    const NONE: &'static str = "no events";

    fn cells(&self) -> Vec<String> {
        vec![
            time(self.received_at),
            self.event_type.clone().unwrap_or_default(),
            self.source.to_string(),
            self.id.clone(),
            self.message_id.clone().unwrap_or_default(),
            self.duplicates.to_string(),
            if self.readable { String::new() } else { "unreadable".to_owned() },
        ]
    }
}

impl Row for Message {
    const HEADINGS: &'static [&'static str] = &["RECEIVED", "", "FROM", "TO", "STATUS", "TEXT", "NOTE", "ID"];
    const NONE: &'static str = "no messages";

    fn cells(&self) -> Vec<String> {
        let to: Vec<_> = self.to.iter().map(|recipient| recipient.phone_number.as_str()).collect();
        let unsigned = if self.unsigned { "unsigned".to_owned() } else { String::new() };
        let notes = [unsigned, media_phrase(&self.media)];
        let notes: Vec<_> = notes.iter().map(String::as_str).filter(|note| !note.is_empty()).collect();
        vec![
            time(self.received_at),
            arrow(self.direction).to_owned(),
            self.from.clone(),
            to.join(","),
            self.status.clone().unwrap_or_default(),
            self.text.clone().unwrap_or_default(),
            notes.join(", "),
            self.id.clone(),
        ]
    }
}

/// Into Inlet or out of it, as in `inlet tail`.
fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "-->",
        Direction::Outbound => "<--",
    }
}

fn media_phrase(media: &[Media]) -> String {
    let states: Vec<_> = media.iter().map(|item| item.state.as_str()).collect();
    match states.as_slice() {
        [] => String::new(),
        [first, rest @ ..] if rest.iter().all(|state| state == first) => {
            format!("{} media {first}", media.len())
        }
        mixed => format!("media {}", mixed.join(" ")),
    }
}

/// A line of a conversation: who said what.
pub(crate) fn said(message: &Message) -> Vec<String> {
    vec![
        time(message.received_at),
        arrow(message.direction).to_owned(),
        message.from.clone(),
        message.text.clone().unwrap_or_default(),
        media_phrase(&message.media),
    ]
}

impl Row for Conversation {
    const HEADINGS: &'static [&'static str] =
        &["ID", "LATEST", "OUR NUMBER", "PARTY", "MESSAGES", "UNREAD", "TEXT"];
    const NONE: &'static str = "no conversations";

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            time(self.last_message_at),
            self.our_number.clone(),
            self.party.clone(),
            self.messages.to_string(),
            self.unread.to_string(),
            self.last_text.clone().unwrap_or_default(),
        ]
    }
}

impl Row for Job {
    const HEADINGS: &'static [&'static str] =
        &["ID", "KIND", "STATE", "FOR", "ATTEMPTS", "DUE", "OF", "LAST ERROR"];
    const NONE: &'static str = "no jobs";

    fn cells(&self) -> Vec<String> {
        let state = if self.held { format!("{} (held)", self.state) } else { self.state.to_string() };
        vec![
            self.id.0.to_string(),
            self.kind.to_string(),
            state,
            whom(self),
            self.attempts.to_string(),
            time(self.due_at),
            cause(self),
            self.last_error.clone().unwrap_or_default(),
        ]
    }
}

/// A job that was given up.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct DeadLetter(Job);

impl Row for DeadLetter {
    const HEADINGS: &'static [&'static str] =
        &["ID", "KIND", "FOR", "ATTEMPTS", "GIVEN UP", "OF", "LAST ERROR"];
    const NONE: &'static str = "no dead letters";

    fn cells(&self) -> Vec<String> {
        let job = &self.0;
        vec![
            job.id.0.to_string(),
            job.kind.to_string(),
            whom(job),
            job.attempts.to_string(),
            optional_time(job.finished_at),
            cause(job),
            job.last_error.clone().unwrap_or_default(),
        ]
    }
}

/// The destination, or the rule that wrote the message.
fn whom(job: &Job) -> String {
    job.destination.clone().or_else(|| job.rule.clone()).unwrap_or_default()
}

/// What the job was made for.
fn cause(job: &Job) -> String {
    job.event_id.clone().or_else(|| job.message_id.clone()).unwrap_or_default()
}

impl Row for DestinationStatus {
    const HEADINGS: &'static [&'static str] =
        &["NAME", "URL", "PAUSED", "BACKLOG", "DEAD", "OLDEST", "ORDERED", "NOTE"];
    const NONE: &'static str = "no destinations; add [[destinations]] to inlet.toml";

    fn cells(&self) -> Vec<String> {
        let reason = self.paused_reason.clone().unwrap_or_default();
        vec![
            self.name.clone(),
            self.url.clone(),
            yes(self.paused),
            self.backlog.to_string(),
            self.dead.to_string(),
            optional_time(self.oldest_waiting_at),
            yes(self.ordered),
            if self.configured { reason } else { "not configured".to_owned() },
        ]
    }
}

impl Row for Replay {
    const HEADINGS: &'static [&'static str] =
        &["ID", "DESTINATION", "STATE", "JOBS MADE", "EVENTS", "STARTED", "ENDED"];
    const NONE: &'static str = "no replays";

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.0.to_string(),
            self.destination.clone(),
            self.state.to_string(),
            self.made.to_string(),
            self.total.to_string(),
            time(self.created_at),
            optional_time(self.finished_at),
        ]
    }
}
