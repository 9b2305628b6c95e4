//! Every list of the API, one conversation and the search over ten million events, while webhooks come in at half of the
//! saturation and retention deletes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inlet_domain::PageRequest;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use serde_json::{Value, json};

use super::restart::fresh_seed;
use super::{api, at_most, ensure_stored, fill, newest, seconds, stored_events};
use crate::endpoint::Endpoint;
use crate::events::{Make, Requests};
use crate::gateway::{Configuration, Gateway};
use crate::goal::Goal;
use crate::load::{Generator, Latencies, Percentiles};
use crate::settings::Settings;

/// More than any load has in this time.
const MOST_PER_S: usize = 40_000;
/// What runs behind the store may take long over a new one.
const CATCH_UP: Duration = Duration::from_secs(3600);
/// What retention deletes, one after the other: of all at once it would come to the last when the load is long over.
const KINDS: [&str; 3] = ["jobs", "messages", "events"];

/// Runs the scenario.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    let events = stored_events(settings);
    let folder = fill::kept(settings, events).await?;
    let endpoint = Endpoint::start(settings.driver_core)?;
    let calm = Configuration::delivering_to(endpoint.address);
    let mut runner = Runner { settings, folder: &folder, seed: fresh_seed(settings)? };
    let half = runner.saturation(&calm).await? / 2.0;
    let (mut reads, mut ingest) = (Reads::of(events), Vec::new());
    fill::used_up(&folder)?;
    for kind in KINDS {
        // Some of the store is too old from now on.
        let kept_for = if settings.quick { "1h" } else { "20d" };
        let more = format!("[retention]\n{kind} = \"{kept_for}\"\n");
        ingest.push(runner.read(&Configuration { more, ..calm.clone() }, kind, half, &mut reads).await?);
    }

    let pages = reads.took.iter().map(Vec::len).sum::<usize>();
    let short: usize = reads.short.iter().sum();
    let each = reads.each();
    let slowest = each.iter().max_by(|one, other| one.latency.p99.total_cmp(&other.latency.p99));
    let worst = slowest.map_or(0.0, |path| path.latency.p99);
    let (stalled, failures) = (
        ingest.iter().map(|phase| phase.latency.max).fold(0.0, f64::max),
        ingest.iter().map(|phase| phase.failures).sum::<usize>(),
    );
    let deleted: Vec<String> =
        ingest.iter().map(|phase| format!("{} {}", phase.purged, phase.retention)).collect();
    let detail = json!({
        "events": events, "ingest_per_s": half, "ingest": ingest, "slowest": slowest, "pages": pages,
        "pages_cut_short": short, "each": each,
    });
    let lists =
        at_most(&format!("p99 of the slowest list or search over {events} events"), 50.0, worst, "ms");
    let stall =
        at_most("longest acknowledgement while lists are read and retention deletes", 250.0, stalled, "ms");
    let deletes = ingest.iter().all(|phase| phase.purged > 0.0);
    Ok(vec![
        Goal { measured: format!("{}; {short} of {pages} pages cut short", lists.measured), ..lists }
            .with_detail(detail.clone()),
        Goal {
            measured: format!("{}; deleted {}", stall.measured, deleted.join(", ")),
            met: stall.met && failures == 0 && deletes,
            ..stall
        }
        .with_detail(detail),
    ])
}

/// What ingest was like while one kind was deleted.
#[derive(Serialize)]
struct Phase {
    retention: &'static str,
    purged: f64,
    latency: Percentiles,
    failures: usize,
}

struct Runner<'a> {
    settings: &'a Settings,
    folder: &'a Path,
    /// Of the next set.
    seed: u64,
}

impl Runner<'_> {
    /// Acknowledged a second as fast as it goes, once everything that is stored can be found.
    async fn saturation(&mut self, configuration: &Configuration) -> anyhow::Result<f64> {
        let (warm_up, short) = (seconds(self.settings, 2, 1), seconds(self.settings, 5, 1));
        let gateway = Gateway::start(self.settings, self.folder, configuration).await?;
        wait_searchable(self.folder).await?;
        // Or the system goes on writing what was filled in while the load is measured.
        tokio::process::Command::new("sync").status().await?;
        let requests = self.sign((warm_up + short).as_secs() as usize * MOST_PER_S)?;
        let load = Generator::new(gateway.address, requests, self.settings.driver_core);
        let measured = load.during(warm_up, short).run().await?;
        gateway.stop().await?;
        Ok(measured.rate())
    }

    /// Reads all pages again and again while webhooks come in at a rate and one kind is deleted.
    async fn read(
        &mut self,
        configuration: &Configuration,
        retention: &'static str,
        rate: f64,
        reads: &mut Reads,
    ) -> anyhow::Result<Phase> {
        let (warm_up, length) = (seconds(self.settings, 2, 1), seconds(self.settings, 60, 4));
        let requests = self.sign((rate * (warm_up + length).as_secs_f64()) as usize)?;
        let before = newest(self.folder)?;
        let gateway = Gateway::start(self.settings, self.folder, configuration).await?;
        reads.paths(gateway.admin).await?;
        let load = Generator::new(gateway.address, Arc::clone(&requests), self.settings.driver_core);
        let load = tokio::spawn(load.at_rate(rate).during(warm_up, length).run());
        while !load.is_finished() {
            reads.round(gateway.admin).await?;
        }
        let measured = load.await??;
        let purged = api::metric(gateway.admin, &format!("inlet_{retention}_purged_total"), "").await?;
        gateway.stop().await?;
        ensure_stored(&requests, &measured, self.folder, before)?;
        let latency = measured.latencies().percentiles();
        Ok(Phase { retention, purged, latency, failures: measured.failures() })
    }

    fn sign(&mut self, count: usize) -> anyhow::Result<Arc<Requests>> {
        self.seed += 1;
        // Dated ahead, because the load lasts for a minute.
        Ok(Arc::new(Requests::sign(Make { ahead_s: 100, ..Make::unique(count, self.seed) })?))
    }
}

/// Every list with each of its filters, and how long its pages took.
struct Reads {
    events: u64,
    rounds: u64,
    paths: Vec<ApiPath>,
    /// Nanoseconds, for each path.
    took: Vec<Vec<u64>>,
    /// Pages that the server ended before they were full, for each path; the rest is behind their cursor.
    short: Vec<usize>,
}

/// The figures of one path.
#[derive(Serialize)]
struct PathFigures {
    path: String,
    latency: Percentiles,
    cut_short: usize,
}

impl Reads {
    fn of(events: u64) -> Self {
        Self { events, rounds: 0, paths: Vec::new(), took: Vec::new(), short: Vec::new() }
    }

    /// Finds the paths, once.
    async fn paths(&mut self, admin: SocketAddr) -> anyhow::Result<()> {
        if self.paths.is_empty() {
            self.paths = paths(admin, self.events).await?;
            self.took = vec![Vec::new(); self.paths.len()];
            self.short = vec![0; self.paths.len()];
        }
        Ok(())
    }

    /// Gets each page once, each time of something else.
    async fn round(&mut self, admin: SocketAddr) -> anyhow::Result<()> {
        for ((path, took), short) in self.paths.iter().zip(&mut self.took).zip(&mut self.short) {
            let answer = api::get(admin, &path.at(self.rounds, self.events)).await?;
            *short += usize::from(path.is_short(&answer.json()?));
            took.push(u64::try_from(answer.took.as_nanos())?);
        }
        self.rounds += 1;
        Ok(())
    }

    fn each(self) -> Vec<PathFigures> {
        let figures = |((path, took), cut_short): ((ApiPath, Vec<u64>), usize)| PathFigures {
            path: path.template,
            latency: Latencies::of(took).percentiles(),
            cut_short,
        };
        self.paths.into_iter().zip(self.took).zip(self.short).map(figures).collect()
    }
}

/// Waits until what is filled behind the store has seen all messages.
async fn wait_searchable(folder: &Path) -> anyhow::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(folder.join("inlet.db"), flags)?;
    let sql = "select exists (select 1 from sqlite_schema where name = 'behind')";
    if !connection.query_row(sql, [], |row| row.get(0))? {
        return Ok(());
    }
    let sql =
        "select (select position from behind where name = 'messages') < (select max(number) from messages)";
    let deadline = Instant::now() + CATCH_UP;
    while connection.query_row(sql, [], |row| row.get::<_, bool>(0))? {
        anyhow::ensure!(Instant::now() < deadline, "the search has not caught up within an hour");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// A path of the API in which `{…}` stand for something else in each round.
struct ApiPath {
    template: String,
    /// Rows of a full page.
    limit: usize,
}

impl ApiPath {
    fn at(&self, round: u64, events: u64) -> String {
        // Any of the younger events, another one each time; the oldest are being deleted.
        let number = events / 2 + round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (events / 2);
        let (event, conversation) = (fill::event_id(number), fill::conversation(number));
        self.template
            .replace("{event}", &event)
            .replace("{message}", &format!("m{event}"))
            .replace("{number}", &number.to_string())
            .replace("{conversation}", &(conversation + 1).to_string())
            .replace("{party}", &fill::party_number(conversation).replace('+', "%2B"))
    }

    /// Whether the server ended this page before it was full.
    fn is_short(&self, page: &Value) -> bool {
        let rows = page["data"].as_array().map_or(0, Vec::len);
        !page["next"].is_null() && rows < self.limit
    }
}

/// Every list with each of its filters, first and second page.
async fn paths(admin: SocketAddr, events: u64) -> anyhow::Result<Vec<ApiPath>> {
    let (party, ours) = ("{party}", fill::OUR_NUMBER.replace('+', "%2B"));
    let middle = middle(admin, events).await?;
    let times = [format!("after={middle}"), format!("before={middle}")];
    let mut found: Vec<String> = Vec::new();
    let mut list = |list: &str, filters: &[String]| {
        found.push(format!("/api/v1/{list}"));
        found.extend(filters.iter().chain(&times).map(|filter| format!("/api/v1/{list}?{filter}")));
    };
    let text = |words: &str| format!("text={words}");
    let search = |terms: &str| format!("q={terms}");
    list(
        "messages",
        &[
            "direction=inbound".to_owned(),
            format!("from={party}"),
            format!("to={ours}"),
            "conversation_id={conversation}".to_owned(),
            "status=received".to_owned(),
            "type=SMS".to_owned(),
            text("appointment"),
            text("{number}"),
            text("appoint*"),
            search("appointment%20from:{party}"),
            search("appointment%20type:SMS"),
            search("{number}%20direction:in%20!has:media"),
            search(&format!("appoint*%20before:{middle}")),
            search("has:media"),
        ],
    );
    list(
        "events",
        &[
            "event_type=message.received".to_owned(),
            "event_type=message.finalized".to_owned(),
            "message_id={message}".to_owned(),
            "source=telnyx".to_owned(),
            "source=backfill".to_owned(),
            "readable=true".to_owned(),
            "readable=false".to_owned(),
        ],
    );
    list(
        "jobs",
        &[
            "kind=deliver".to_owned(),
            "kind=send".to_owned(),
            "state=dead".to_owned(),
            "state=done".to_owned(),
            "state=waiting".to_owned(),
            format!("destination={}", fill::DESTINATION),
            format!("destination={}&state=dead", fill::DESTINATION),
            "event_id={event}".to_owned(),
            "message_id={message}".to_owned(),
        ],
    );
    for other in ["conversations", "rejections", "replays", "replies", "opt-outs", "destinations", "stats"] {
        found.push(format!("/api/v1/{other}"));
    }
    for one in ["conversations/{conversation}", "conversations/{conversation}/messages", "events/{event}"] {
        found.push(format!("/api/v1/{one}"));
    }
    for list in ["messages", "events", "jobs", "conversations"] {
        let first = api::get(admin, &format!("/api/v1/{list}?limit=100")).await?.json()?;
        if let Some(next) = first["next"].as_str() {
            found.push(format!("/api/v1/{list}?limit=100&cursor={next}"));
        }
    }
    let usual = PageRequest::default().limit as usize;
    let path = |template: String| ApiPath {
        limit: if template.contains("limit=100") { 100 } else { usual },
        template,
    };
    Ok(found.into_iter().map(path).collect())
}

/// A moment by which half of the events had come.
async fn middle(admin: SocketAddr, events: u64) -> anyhow::Result<String> {
    let event = fill::event_id(events / 2);
    let page = api::get(admin, &format!("/api/v1/events/{event}")).await?.json()?;
    let middle = page["received_at"].as_str().unwrap_or_default();
    anyhow::ensure!(!middle.is_empty(), "event {event} has no time: {}", Value::to_string(&page));
    Ok(middle.to_owned())
}
