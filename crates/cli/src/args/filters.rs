//! Flags that choose events, messages and jobs, shared by the commands that list and act.

use clap::Args;
use inlet_domain::{
    Direction, EventFilter, JobFilter, JobKind, JobState, MessageFilter, ReplayId, Search, Source, Timestamp,
};

use super::time::Moment;

/// A range of time.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Range {
    /// From this moment on: a time, a day, or how long ago (`2h`).
    #[arg(long, value_name = "TIME")]
    after: Option<Moment>,
    /// Before this moment.
    #[arg(long, value_name = "TIME")]
    before: Option<Moment>,
}

impl Range {
    fn resolve(&self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.after.map(|moment| moment.resolve(now)), self.before.map(|moment| moment.resolve(now)))
    }
}

/// Which events.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EventFilterArgs {
    /// Events of this type, as in message.received.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Events of this message.
    #[arg(long = "message", value_name = "ID")]
    message_id: Option<String>,
    /// Events from this source: telnyx, unsigned or backfill.
    #[arg(long)]
    source: Option<Source>,
    /// Only events whose bytes cannot be read.
    #[arg(long)]
    unreadable: bool,
    #[command(flatten)]
    range: Range,
}

impl EventFilterArgs {
    /// The filter, seen from now.
    pub(crate) fn resolve(&self, now: Timestamp) -> EventFilter {
        let (after, before) = self.range.resolve(now);
        EventFilter {
            event_type: self.event_type.clone(),
            message_id: self.message_id.clone(),
            source: self.source,
            readable: if self.unreadable { Some(false) } else { None },
            after,
            before,
        }
    }
}

/// Which messages.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct MessageFilterArgs {
    /// Messages that came in or went out: inbound or outbound.
    #[arg(long)]
    direction: Option<Direction>,
    /// Messages from this number.
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// Messages to this number.
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// Messages of this conversation.
    #[arg(long = "conversation", value_name = "ID")]
    conversation_id: Option<i64>,
    /// Messages in this status, as in delivered.
    #[arg(long)]
    status: Option<String>,
    /// Messages of this type: SMS or MMS.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only messages with attachments.
    #[arg(long)]
    media: bool,
    #[command(flatten)]
    range: Range,
}

impl MessageFilterArgs {
    /// The filter, seen from now.
    pub(crate) fn resolve(&self, now: Timestamp) -> MessageFilter {
        let (after, before) = self.range.resolve(now);
        MessageFilter {
            direction: self.direction,
            from: self.from.clone(),
            to: self.to.clone(),
            conversation_id: self.conversation_id,
            status: self.status.clone(),
            kind: self.kind.clone(),
            after,
            before,
            has_media: self.media.then_some(true),
            search: Search::default(),
        }
    }
}

/// Which jobs, whatever their state.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DeadFilterArgs {
    /// Jobs of this kind: deliver, fetch_media, send or test.
    #[arg(long)]
    kind: Option<JobKind>,
    /// Jobs of this destination.
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Jobs of this event.
    #[arg(long = "event", value_name = "ID")]
    event_id: Option<String>,
    /// Jobs of this message.
    #[arg(long = "message", value_name = "ID")]
    message_id: Option<String>,
    /// Jobs made by this replay.
    #[arg(long = "replay", value_name = "ID")]
    replay_id: Option<i64>,
    #[command(flatten)]
    range: Range,
}

impl DeadFilterArgs {
    /// The filter, seen from now.
    pub(crate) fn resolve(&self, now: Timestamp) -> JobFilter {
        let (after, before) = self.range.resolve(now);
        JobFilter {
            kind: self.kind,
            state: None,
            destination: self.destination.clone(),
            event_id: self.event_id.clone(),
            message_id: self.message_id.clone(),
            replay_id: self.replay_id.map(ReplayId),
            after,
            before,
        }
    }
}

/// Which jobs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct JobFilterArgs {
    /// Jobs in this state: waiting, running, sending, done, dead, unknown, skipped or discarded.
    #[arg(long)]
    state: Option<JobState>,
    #[command(flatten)]
    others: DeadFilterArgs,
}

impl JobFilterArgs {
    /// The filter, seen from now.
    pub(crate) fn resolve(&self, now: Timestamp) -> JobFilter {
        JobFilter { state: self.state, ..self.others.resolve(now) }
    }
}
