//! Every list of the API, one conversation and the search over ten million events, while webhooks come in at half of the
//! saturation and retention deletes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::restart::fresh_seed;
use super::{api, at_most, fill, seconds, stored_events};
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

/// Runs the scenario.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    let events = stored_events(settings);
    let folder = fill::kept(settings, events).await?;
    let endpoint = Endpoint::start(settings.driver_core)?;
    let calm = Configuration::delivering_to(endpoint.address);
    let seed = fresh_seed(settings)?;
    let (warm_up, short) = (seconds(settings, 2, 1), seconds(settings, 5, 1));
    let gateway = Gateway::start(settings, &folder, &calm).await?;
    wait_searchable(&folder).await?;
    let requests = sign((warm_up + short).as_secs() as usize * MOST_PER_S, seed)?;
    let load = Generator::new(gateway.address, requests, settings.driver_core).during(warm_up, short);
    let half = load.run().await?.rate() / 2.0;
    gateway.stop().await?;

    // Some of the store is too old from now on.
    let kept_for = if settings.quick { "1h" } else { "20d" };
    let retention = ["jobs", "events", "messages"].map(|what| format!("{what} = \"{kept_for}\"\n")).concat();
    let deleting = Configuration { more: format!("[retention]\n{retention}"), ..calm };
    let gateway = Gateway::start(settings, &folder, &deleting).await?;
    let length = seconds(settings, 120, 8);
    let requests = sign((half * (warm_up + length).as_secs_f64()) as usize, seed + 1)?;
    let load = Generator::new(gateway.address, requests, settings.driver_core).at_rate(half);
    let load = tokio::spawn(load.during(warm_up, length).run());
    let paths = paths(gateway.admin).await?;
    let mut took = vec![Vec::new(); paths.len()];
    let deadline = Instant::now() + warm_up + length;
    let mut round = 0;
    while Instant::now() < deadline {
        for (path, took) in paths.iter().zip(&mut took) {
            let answer = api::get(gateway.admin, &path.at(round, events)).await?;
            answer.json()?;
            took.push(u64::try_from(answer.took.as_nanos())?);
        }
        round += 1;
    }
    let ingest = load.await??;
    gateway.stop().await?;

    let all: Vec<u64> = took.iter().flatten().copied().collect();
    let each: Vec<(String, Percentiles)> = paths
        .iter()
        .zip(took)
        .map(|(path, took)| (path.template.clone(), Latencies::of(took).percentiles()))
        .collect();
    let slowest = each.iter().max_by(|one, other| one.1.p99.total_cmp(&other.1.p99));
    let (slowest, worst) = slowest.map_or(("none", 0.0), |(path, figures)| (path, figures.p99));
    let ingest_latency = ingest.latencies().percentiles();
    let detail = json!({
        "events": events, "ingest_per_s": half, "ingest": ingest_latency, "ingest_failures": ingest.failures(),
        "all": Latencies::of(all).percentiles(), "slowest": slowest, "each": each, "rounds": round,
    });
    let stall = at_most(
        "longest acknowledgement while lists are read and retention deletes",
        250.0,
        ingest_latency.max,
        "ms",
    );
    Ok(vec![
        at_most(&format!("p99 of the slowest list or search over {events} events"), 50.0, worst, "ms")
            .with_detail(detail.clone()),
        Goal { met: stall.met && ingest.failures() == 0, ..stall }.with_detail(detail),
    ])
}

fn sign(count: usize, seed: u64) -> anyhow::Result<Arc<Requests>> {
    // Dated ahead, because the load lasts for minutes.
    Ok(Arc::new(Requests::sign(Make { ahead_s: 100, ..Make::unique(count, seed) })?))
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
}

impl ApiPath {
    fn at(&self, round: u64, events: u64) -> String {
        // Any of the events, another one each time.
        let number = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % events;
        let (event, conversation) = (fill::event_id(number), fill::conversation(number));
        self.template
            .replace("{event}", &event)
            .replace("{message}", &format!("m{event}"))
            .replace("{number}", &number.to_string())
            .replace("{conversation}", &(conversation + 1).to_string())
            .replace("{party}", &fill::party_number(conversation).replace('+', "%2B"))
    }
}

/// Every list with each of its filters, first and second page.
async fn paths(admin: SocketAddr) -> anyhow::Result<Vec<ApiPath>> {
    let (party, ours) = ("{party}", fill::OUR_NUMBER.replace('+', "%2B"));
    let middle = middle(admin).await?;
    let times = [format!("after={middle}"), format!("before={middle}")];
    let mut found: Vec<String> = Vec::new();
    let mut list = |list: &str, filters: &[String]| {
        found.push(format!("/api/v1/{list}"));
        found.extend(filters.iter().chain(&times).map(|filter| format!("/api/v1/{list}?{filter}")));
    };
    let text = |words: &str| format!("text={words}");
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
            text("appointment%20from:{party}"),
            text("appointment%20type:SMS"),
            text("has:media"),
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
    Ok(found.into_iter().map(|template| ApiPath { template }).collect())
}

/// A moment by which about half of the events had come.
async fn middle(admin: SocketAddr) -> anyhow::Result<String> {
    let page = api::get(admin, "/api/v1/conversations?limit=1").await?.json()?;
    let latest = page["data"][0]["last_message_at"].as_str().unwrap_or_default();
    anyhow::ensure!(!latest.is_empty(), "there is no conversation: {}", Value::to_string(&page));
    let latest: inlet_domain::Timestamp = latest.parse()?;
    Ok(inlet_domain::Timestamp::from_seconds(latest.as_seconds() - 3 * 3600).to_string())
}
