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
    /// The log begins anew: the sandbox was reset, or another one has taken its place.
    Anew,
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
    /// The latest delivery that was told of.
    highest: u64,
    news: VecDeque<News>,
    pause: Duration,
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
            highest: 0,
            news: VecDeque::new(),
            pause: FIRST_PAUSE,
        };
        follower.highest = follower.latest(1).await?.last().map_or(0, |delivery| delivery.sequence);
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
        self.highest = self.highest.max(delivery.sequence);
        self.news.push_back(News::Delivery(Box::new(delivery)));
    }

    /// The stream cannot say what has changed: either all is new, or this follower was too far behind.
    async fn look_again(&mut self) -> anyhow::Result<()> {
        let latest = self.latest(PAGE).await?;
        let newest = latest.last().map_or(0, |delivery| delivery.sequence);
        if newest < self.highest || newest == 0 {
            self.highest = 0;
            self.news.push_back(News::Anew);
        }
        let first = latest.first().map_or(0, |delivery| delivery.sequence);
        let missed = first.saturating_sub(self.highest + 1);
        if missed > 0 {
            self.news.push_back(News::Missed(missed));
        }
        latest.into_iter().for_each(|delivery| self.tell(delivery));
        Ok(())
    }

    async fn latest(&self, limit: usize) -> anyhow::Result<Vec<Delivery>> {
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
