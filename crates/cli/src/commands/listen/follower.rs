//! Follows the deliveries of a sandbox, across cut connections and restarts.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;

use super::super::delivery::{Deliveries, Delivery};
use super::super::stream::{Assembler, SentEvent};
use crate::client::{Client, Query};
use crate::exit::{Exit, Failure};

const STREAM: [&str; 3] = ["sandbox", "v1", "stream"];
/// Heartbeats come every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Deliveries that are asked for at once.
const PAGE: usize = 1000;

/// What a follower learns.
pub(super) enum News {
    /// A delivery is new, or has changed.
    Delivery(Box<Delivery>),
    /// Everything may be different: the sandbox was reset or restored, another one has taken its place, or this
    /// follower was too far behind.
    Reset {
        /// Whether the log begins anew, so that places in it mean other deliveries now.
        is_new_log: bool,
    },
    /// So many deliveries have left the sandbox's log before they could be told of.
    Missed(u64),
    /// The sandbox is not there any more.
    Gone,
    /// It is there again.
    Back,
}

/// Reads the sandbox's stream.
pub(super) struct Follower {
    client: Client,
    stream: Option<Response>,
    assembler: Assembler,
    last_id: Option<String>,
    /// The latest delivery that was told of, or was there before.
    latest: Option<Place>,
    news: VecDeque<News>,
    pause: Duration,
}

/// A place in the sandbox's log, and what is there.
struct Place {
    sequence: u64,
    event_id: String,
}

impl Place {
    fn of(delivery: &Delivery) -> Self {
        Self { sequence: delivery.sequence, event_id: delivery.event_id.clone() }
    }

    /// Whether these are later deliveries of the same log: the place holds what it held, or lies before them all.
    fn is_in(&self, deliveries: &[Delivery]) -> bool {
        match deliveries.iter().find(|delivery| delivery.sequence == self.sequence) {
            Some(there) => there.event_id == self.event_id,
            None => deliveries.first().is_some_and(|first| first.sequence > self.sequence),
        }
    }
}

impl Follower {
    /// Begins with what happens from now on.
    pub(super) async fn start(client: Client) -> anyhow::Result<Self> {
        let stream = client.stream(&STREAM, None).await?;
        let mut follower = Self {
            client,
            stream: Some(stream),
            assembler: Assembler::default(),
            last_id: None,
            latest: None,
            news: VecDeque::new(),
            pause: FIRST_PAUSE,
        };
        follower.latest = follower.list(1).await?.last().map(Place::of);
        Ok(follower)
    }

    /// Waits for the next news. Fails only when the sandbox answers with a refusal.
    pub(super) async fn next(&mut self) -> anyhow::Result<News> {
        loop {
            if let Some(news) = self.news.pop_front() {
                return Ok(news);
            }
            match &mut self.stream {
                None => self.come_back().await?,
                Some(stream) => match tokio::time::timeout(SILENCE, stream.chunk()).await {
                    Ok(Ok(Some(chunk))) => self.take(&chunk).await?,
                    _ => self.lose(),
                },
            }
        }
    }

    /// Waits for the delivery that is looked for, and keeps all other news for later.
    pub(super) async fn until(&mut self, is_it: impl Fn(&Delivery) -> bool) -> anyhow::Result<()> {
        let mut others = VecDeque::new();
        loop {
            match self.next().await? {
                News::Delivery(delivery) if is_it(&delivery) => break,
                other => others.push_back(other),
            }
        }
        others.append(&mut self.news);
        self.news = others;
        Ok(())
    }

    async fn take(&mut self, chunk: &[u8]) -> anyhow::Result<()> {
        let Ok(events) = self.assembler.take(chunk) else {
            let message = "the sandbox's stream has a line that is too long to be an event";
            let remedy = "check the address, and that both sides are the same version of inlet";
            return Err(Failure::new(Exit::Refused, message, remedy).into());
        };
        self.last_id = self.assembler.last_id().map(str::to_owned).or(self.last_id.take());
        for event in events {
            self.take_event(&event).await?;
        }
        Ok(())
    }

    async fn take_event(&mut self, event: &SentEvent) -> anyhow::Result<()> {
        match event.name.as_str() {
            "delivery" => {
                if let Ok(delivery) = serde_json::from_str::<Delivery>(&event.data) {
                    self.tell(delivery);
                }
            }
            "reset" => match self.look_again().await {
                Err(error) if is_unreachable(&error) => self.lose(),
                outcome => return outcome,
            },
            _ => {}
        }
        Ok(())
    }

    fn tell(&mut self, delivery: Delivery) {
        if self.latest.as_ref().is_none_or(|latest| latest.sequence < delivery.sequence) {
            self.latest = Some(Place::of(&delivery));
        }
        self.news.push_back(News::Delivery(Box::new(delivery)));
    }

    /// The stream cannot say what has changed, so the log has to.
    async fn look_again(&mut self) -> anyhow::Result<()> {
        let deliveries = self.list(PAGE).await?;
        let is_new_log = !self.latest.as_ref().is_some_and(|latest| latest.is_in(&deliveries));
        if is_new_log {
            self.latest = None;
        }
        self.news.push_back(News::Reset { is_new_log });
        let told = self.latest.as_ref().map_or(0, |latest| latest.sequence);
        let first = deliveries.first().map_or(0, |first| first.sequence);
        let missed = first.saturating_sub(told + 1);
        self.news.extend((missed > 0).then_some(News::Missed(missed)));
        deliveries.into_iter().for_each(|delivery| self.tell(delivery));
        Ok(())
    }

    /// The last deliveries of the log, oldest first.
    async fn list(&self, limit: usize) -> anyhow::Result<Vec<Delivery>> {
        let query: Query = vec![("limit".to_owned(), limit.to_string())];
        let deliveries: Deliveries = self.client.get(&["sandbox", "v1", "deliveries"], &query).await?;
        Ok(deliveries.data)
    }

    fn lose(&mut self) {
        self.stream = None;
        self.assembler = Assembler::default();
        self.pause = FIRST_PAUSE;
        self.news.push_back(News::Gone);
    }

    async fn come_back(&mut self) -> anyhow::Result<()> {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        match self.client.stream(&STREAM, self.last_id.as_deref()).await {
            Ok(stream) => {
                self.stream = Some(stream);
                self.news.push_back(News::Back);
                Ok(())
            }
            Err(error) if is_unreachable(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether nobody is there, which may change.
pub(super) fn is_unreachable(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit() == Exit::Unreachable)
}

#[cfg(test)]
mod tests {
    use super::super::super::delivery::Status;
    use super::super::super::delivery::fixtures::delivery;
    use super::*;

    #[test]
    fn another_log_is_told_from_one_that_has_gone_on() {
        let log = |places: &[u64]| -> Vec<Delivery> {
            places.iter().map(|place| delivery(*place, Status::Delivered, &[200])).collect()
        };
        let place = Place { sequence: 3, event_id: "evt-3".to_owned() };
        assert!(place.is_in(&log(&[2, 3, 4])) && place.is_in(&log(&[900, 901])));
        assert!(!place.is_in(&log(&[])) && !place.is_in(&log(&[1, 2])));
        let other = Place { sequence: 3, event_id: "evt-of-another-log".to_owned() };
        assert!(!other.is_in(&log(&[1, 2, 3, 4])));
    }
}
