//! `inlet listen`: shows the sandbox's deliveries as they happen, and can point the sandbox at a receiver meanwhile.

mod follower;
mod forwarding;
mod probe;

use clap::{Args, ValueEnum};
use reqwest::Url;

use super::Context;
use super::account::Account;
use super::arrows::Arrows;
use super::delivery::{Change, Delivery, Status, Told};
use crate::args::SandboxUrlArgs;
use crate::client::Client;
use crate::output::{self, escape};
use crate::run::signals::Signals;
use follower::{Follower, News};
use forwarding::{Forwarding, PutBack};

const EXAMPLES: &str = "\
Examples:
  inlet listen
  inlet listen --forward-to http://localhost:3000/webhooks
  inlet listen --events 'message.*' --format json";

/// Show the sandbox's deliveries as they happen.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListenArgs {
    /// Point the default profile's webhook URL here while this runs; the old one is put back at the end.
    #[arg(long, value_name = "URL")]
    forward_to: Option<Url>,
    /// Show only these event types; a final * stands for anything.
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    events: Vec<String>,
    /// Lines for people, or JSON, one object a line.
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    format: Format,
    #[command(flatten)]
    sandbox: SandboxUrlArgs,
    /// Print JSON, the same as --format json.
    #[arg(long)]
    json: bool,
}

/// How deliveries are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned lines.
    Pretty,
    /// One object a line.
    Json,
}

impl ListenArgs {
    fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

/// Runs `inlet listen` until a signal ends it.
pub(crate) async fn run(args: ListenArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::sandbox(args.sandbox.sandbox_url.clone(), &context.environment)?;
    // From here on a signal ends it well, so that the old address is put back whatever happens.
    let mut signals = Signals::take_over()?;
    let account = Account::fetch(&client).await?;
    let follower = Follower::start(client.clone()).await?;
    let forwarding = match args.forward_to.clone() {
        Some(url) => Some(Forwarding::begin(url, &client, &account).await?),
        None => None,
    };
    let mut listener = Listener {
        arrows: Arrows::new(args.is_json(), &context.environment),
        told: Told::default(),
        tally: Tally::default(),
        is_json: args.is_json(),
        events: args.events,
        client,
        account,
        follower,
        forwarding,
    };
    let outcome = tokio::select! {
        outcome = listener.listen() => outcome,
        () = signals.next() => Ok(()),
    };
    signals.unless_repeated(listener.end()).await;
    outcome
}

struct Listener {
    client: Client,
    account: Account,
    follower: Follower,
    forwarding: Option<Forwarding>,
    events: Vec<String>,
    is_json: bool,
    arrows: Arrows,
    told: Told,
    tally: Tally,
}

impl Listener {
    async fn listen(&mut self) -> anyhow::Result<()> {
        self.say(&self.introduction());
        let proof = probe::prove(&self.client, &self.account, &mut self.follower).await?;
        self.say(&match proof {
            Ok(duration) => {
                format!("Ready: a signed probe came back in {} ms. Ctrl-C ends this.\n", duration.as_millis())
            }
            Err(reason) => format!("Connected, but not proved ready: {reason}. Ctrl-C ends this.\n"),
        });
        loop {
            match self.follower.next().await? {
                News::Delivery(delivery) => self.show(&delivery)?,
                News::Missed(count) => {
                    self.tally.missed += count;
                    self.say(&format!(
                        "{count} events have left the sandbox's log before they could be shown"
                    ));
                }
                News::Gone => self.say("the sandbox has gone away; waiting for it"),
                News::Back => {
                    self.say("the sandbox is back");
                    self.settle().await?;
                }
                News::Reset { is_new_log } => {
                    if is_new_log {
                        self.told = Told::default();
                        self.say("the sandbox began anew: what it sent before is forgotten");
                    }
                    self.settle().await?;
                }
            }
        }
    }

    fn show(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        if delivery.event_type == probe::PROBE {
            return Ok(());
        }
        let changes = self.told.changes(delivery);
        let is_shown = self.events.is_empty() || self.events.iter().any(|wanted| admits(wanted, delivery));
        self.tally.count(delivery, &changes, is_shown);
        if is_shown { self.arrows.print(delivery, &changes) } else { Ok(()) }
    }

    /// Takes note of what a restart or a reset has changed, unless the sandbox has gone again.
    async fn settle(&mut self) -> anyhow::Result<()> {
        match self.take_note().await {
            Err(error) if follower::is_unreachable(&error) => Ok(()),
            outcome => outcome,
        }
    }

    async fn take_note(&mut self) -> anyhow::Result<()> {
        let account = Account::fetch(&self.client).await?;
        if account.public_key != self.account.public_key {
            self.say(&format!("it has another key now; its public key is {}", escape(&account.public_key)));
        }
        if let Some(forwarding) = &mut self.forwarding
            && forwarding.renew(&self.client, &account).await?
        {
            let url = forwarding.url().to_string();
            self.say(&format!("its profile points at {url} again"));
        }
        self.account = account;
        Ok(())
    }

    fn introduction(&self) -> String {
        let shown = |url: &Option<String>| url.as_deref().map_or("nowhere".into(), escape).into_owned();
        let webhooks = match &self.forwarding {
            Some(forwarding) => {
                format!(
                    "{}\n  before     {}, which is put back at the end",
                    forwarding.url(),
                    shown(&self.account.webhook_url)
                )
            }
            None => shown(&self.account.webhook_url),
        };
        format!(
            "Telnyx API   {}\nPublic key   {}\nWebhooks to  {webhooks}",
            escape(&self.account.api_url),
            escape(&self.account.public_key)
        )
    }

    /// Puts the old address back and sums up.
    async fn end(&mut self) {
        if let Some(forwarding) = self.forwarding.take() {
            let pointing = |url: Option<String>| match url {
                Some(url) => format!("at {}", escape(&url)),
                None => "nowhere".to_owned(),
            };
            match forwarding.end(&self.client).await {
                Ok(PutBack::Done(before)) => {
                    self.say(&format!("the profile points {} again", pointing(before)));
                }
                Ok(PutBack::Elsewhere(now)) => {
                    let now = pointing(now);
                    self.say(&format!("somebody pointed the profile {now} meanwhile, which is left so"));
                }
                Err(error) => self.say(&format!("the old webhook URL could not be put back: {error}")),
            }
        }
        self.say(&self.tally.summary());
    }

    /// Tells a person something; programs read only objects on standard output.
    fn say(&self, text: &str) {
        if self.is_json { output::note(text) } else { output::announce(text) }
    }
}

/// Whether a type, or its beginning before a `*`, is a delivery's.
fn admits(wanted: &str, delivery: &Delivery) -> bool {
    match wanted.trim().strip_suffix('*') {
        Some(beginning) => delivery.event_type.starts_with(beginning),
        None => delivery.event_type == wanted.trim(),
    }
}

/// How many events there were, and what became of them.
#[derive(Debug, Default)]
struct Tally {
    events: u64,
    delivered: u64,
    given_up: u64,
    without_url: u64,
    dropped: u64,
    hidden: u64,
    missed: u64,
}

impl Tally {
    fn count(&mut self, delivery: &Delivery, changes: &[Change<'_>], is_shown: bool) {
        for change in changes {
            match change {
                Change::Event if is_shown => self.events += 1,
                Change::Event => self.hidden += 1,
                Change::End if is_shown => *self.ended(delivery.status) += 1,
                Change::End | Change::Attempt(_) => {}
            }
        }
    }

    fn ended(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Delivered => &mut self.delivered,
            Status::NoUrl => &mut self.without_url,
            Status::Dropped => &mut self.dropped,
            Status::Failed | Status::Pending => &mut self.given_up,
        }
    }

    /// All that is not zero, in one line.
    fn summary(&self) -> String {
        let ended = self.delivered + self.given_up + self.without_url + self.dropped;
        let parts = [
            (self.delivered, "delivered"),
            (self.given_up, "given up"),
            (self.without_url, "without a webhook URL"),
            (self.dropped, "dropped by a fault or for want of a form"),
            (self.events - ended.min(self.events), "still under way"),
            (self.hidden, "hidden by --events"),
            (self.missed, "gone from the sandbox's log before they could be shown"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let events = if self.events == 1 { "1 event".to_owned() } else { format!("{} events", self.events) };
        if parts.is_empty() { events } else { format!("{events}: {}", parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::delivery::fixtures::delivery;
    use super::*;

    #[test]
    fn a_star_stands_for_any_ending() {
        let delivery = delivery(1, Status::Delivered, &[200]);
        for (wanted, expected) in [
            ("message.received", true),
            ("message.*", true),
            ("*", true),
            ("message", false),
            ("10dlc.*", false),
        ] {
            assert_eq!(admits(wanted, &delivery), expected, "{wanted}");
        }
    }

    #[test]
    fn every_event_is_accounted_for() {
        let mut tally = Tally::default();
        let cases = [
            (delivery(1, Status::Delivered, &[200]), true),
            (delivery(2, Status::Failed, &[503, 503]), true),
            (delivery(3, Status::NoUrl, &[]), true),
            (delivery(4, Status::Pending, &[503]), true),
            (delivery(5, Status::Delivered, &[200]), false),
        ];
        for (delivery, is_shown) in &cases {
            tally.count(delivery, &Told::default().changes(delivery), *is_shown);
        }
        tally.missed = 7;
        assert_eq!(
            tally.summary(),
            "4 events: 1 delivered, 1 given up, 1 without a webhook URL, 1 still under way, 1 hidden by \
             --events, 7 gone from the sandbox's log before they could be shown"
        );
        assert_eq!(Tally::default().summary(), "0 events");
    }
}
