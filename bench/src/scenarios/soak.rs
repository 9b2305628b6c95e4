//! An hour of webhooks, a fifth of them repeats, with random faults downstream; then everything is counted.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use serde_json::json;

use super::at_most;
use crate::endpoint::Endpoint;
use crate::events::{self, Make, Requests, Template, id_text, parse_id};
use crate::gateway::{Configuration, Gateway};
use crate::goal::Goal;
use crate::load::{Generator, Latencies};
use crate::settings::{Settings, events_database};

const PER_S: f64 = 500.0;
const DUPLICATES: f64 = 0.2;
const FAULT_EVERY: Duration = Duration::from_secs(5);
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
/// The destination with faults; the other one always answers.
const MOODY: &str = "moody";
/// For what is still to be delivered at the end.
const DRAIN: Duration = Duration::from_secs(600);

/// Options of the soak.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// How long.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

/// What was seen of the process.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    after_s: f64,
    mib: f64,
    descriptors: usize,
}

/// What the databases hold at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Verdict {
    acknowledged: usize,
    stored: usize,
    lost: usize,
    altered: usize,
    repeated: usize,
    /// Deliveries that are done, and whose destination has them.
    delivered: usize,
    /// Deliveries to the moody destination that are dead letters with a reason.
    dead: usize,
    /// Stored events without exactly one delivery for a destination, and deliveries that are neither.
    unaccounted: usize,
}

impl Verdict {
    fn is_clean(&self) -> bool {
        self.lost + self.altered + self.repeated + self.unaccounted == 0
    }
}

/// Runs the soak.
pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<Vec<Goal>> {
    let length = Duration::from_secs(if settings.quick { 15 } else { options.minutes * 60 });
    let folder = settings.fresh_folder("soak")?;
    let endpoints =
        [("steady", Endpoint::start(settings.driver_core)?), (MOODY, Endpoint::start(settings.driver_core)?)];
    endpoints.iter().for_each(|(_, endpoint)| endpoint.record());
    let configuration = configuration(endpoints.each_ref().map(|(name, endpoint)| (*name, endpoint.address)));
    let gateway = Gateway::start(settings, folder.path(), &configuration).await?;
    let mut soak =
        Soak { settings, gateway: &gateway, acknowledged: Vec::new(), nanoseconds: Vec::new(), failures: 0 };
    let (began, mut samples) = (Instant::now(), Vec::new());
    let load = soak.load(length);
    let watch = watch(&gateway, &endpoints[1].1, settings.seed, began, &mut samples);
    tokio::select! {
        done = load => done?,
        ended = watch => ended?,
    }
    endpoints.iter().for_each(|(_, endpoint)| endpoint.recover());
    wait_settled(folder.path()).await?;
    let Soak { acknowledged, nanoseconds, failures, .. } = soak;
    gateway.stop().await?;
    let verdict = judge(settings, folder.path(), &acknowledged, &endpoints)?;
    let latency = Latencies::of(nanoseconds).percentiles();
    let (slope, growth) = (slope_per_hour(&samples), samples.iter().map(|sample| sample.descriptors).max());
    let detail = json!({
        "minutes": length.as_secs_f64() / 60.0, "verdict": verdict, "latency": latency, "failures": failures,
        "memory_mib_per_hour": slope, "memory_mib": samples.last().map(|sample| sample.mib), "descriptors_at_most": growth,
        "files": sizes(folder.path())?, "samples": samples.iter().step_by(samples.len().div_ceil(60).max(1)).collect::<Vec<_>>(),
    });
    let what = format!(
        "{} acknowledged, {} delivered, {} dead letters",
        verdict.acknowledged, verdict.delivered, verdict.dead
    );
    let promise = Goal {
        name: "soak: acknowledged events stored once, and delivered or dead".to_owned(),
        target: "all".to_owned(),
        measured: format!(
            "{what}; lost {}, altered {}, doubled {}, unaccounted {}",
            verdict.lost, verdict.altered, verdict.repeated, verdict.unaccounted
        ),
        met: verdict.is_clean() && verdict.acknowledged > 0,
        detail: detail.clone(),
    };
    let calm = at_most("soak: p99.9 at 500/s", 25.0, latency.p999, "ms");
    let mut goals =
        vec![promise, Goal { met: calm.met && failures == 0, ..calm }.with_detail(detail.clone())];
    // In seconds memory only fills.
    if !settings.quick {
        goals.push(at_most("soak: memory slope", 8.0, slope, "MiB/h").with_detail(detail));
    }
    Ok(goals)
}

fn configuration(destinations: [(&str, SocketAddr); 2]) -> Configuration {
    let table = |(name, address): (&str, SocketAddr)| {
        format!(
            "[[destinations]]\nname = \"{name}\"\nurl = \"http://{address}/\"\ntimeout = \"3s\"\n\
             retry = [\"0s\", \"1s\", \"2s\", \"5s\", \"10s\", \"20s\"]\n"
        )
    };
    Configuration { more: destinations.map(table).concat(), ..Configuration::default() }
}

struct Soak<'a> {
    settings: &'a Settings,
    gateway: &'a Gateway,
    /// Of each event number.
    acknowledged: Vec<bool>,
    nanoseconds: Vec<u64>,
    failures: usize,
}

impl Soak<'_> {
    /// Sends one set after the other; the next is signed while one is sent.
    async fn load(&mut self, length: Duration) -> anyhow::Result<()> {
        let part = Duration::from_secs(60).min(length);
        let parts = length.as_secs().div_ceil(part.as_secs());
        let seed = self.settings.seed;
        let unique = (PER_S * part.as_secs_f64() * (1.0 - DUPLICATES)) as usize;
        let sign = move |number: u64| {
            let first = number * unique as u64;
            // It is sent within two minutes.
            let make = Make { first, duplicates: DUPLICATES, ahead_s: 60, ..Make::unique(unique, seed) };
            let sign = if number == 0 { Requests::sign } else { Requests::sign_at_leisure };
            tokio::task::spawn_blocking(move || sign(make))
        };
        let mut next = sign(0);
        for number in 1..=parts {
            let requests = Arc::new(next.await??);
            next = sign(number);
            let load = Generator::new(self.gateway.address, requests, self.settings.driver_core);
            let measured = load.at_rate(PER_S).during(Duration::ZERO, part).run().await?;
            self.failures += measured.failures();
            let from = self.acknowledged.len();
            self.acknowledged.resize(from + unique, false);
            for sample in &measured.samples {
                self.acknowledged[from + sample.event as usize] = true;
                self.nanoseconds.push(sample.latency_ns);
            }
        }
        next.await?.map(drop)
    }
}

/// Changes the mood of a destination every five seconds, and looks at the process.
async fn watch(
    gateway: &Gateway,
    moody: &Endpoint,
    seed: u64,
    began: Instant,
    samples: &mut Vec<Sample>,
) -> anyhow::Result<()> {
    let (mut noise, mut next_fault) = (seed | 1, began);
    loop {
        if Instant::now() >= next_fault {
            next_fault += FAULT_EVERY;
            // Xorshift: the same faults in every run.
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            moody.recover();
            match noise % 10 {
                0 => moody.answer(500),
                1 => moody.answer(503),
                2 => moody.answer(429),
                3 => moody.delay(Duration::from_millis(200)),
                4 => moody.hang(true),
                _ => {}
            }
        }
        let mib = gateway.memory()?.now_kib as f64 / 1024.0;
        let descriptors = gateway.descriptors()?;
        samples.push(Sample { after_s: began.elapsed().as_secs_f64(), mib, descriptors });
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
}

/// Waits until no job is to be done any more.
async fn wait_settled(folder: &Path) -> anyhow::Result<()> {
    let connection = open(&folder.join("inlet.db"))?;
    let log = open(&events_database(folder))?;
    let deadline = Instant::now() + DRAIN;
    loop {
        let newest: i64 = log.query_row("select coalesce(max(seq), 0) from events", [], |row| row.get(0))?;
        let sql = "select routed_seq < ?1 or exists (select 1 from jobs where state in ('waiting', 'running')) from routing";
        if !connection.query_row(sql, [newest], |row| row.get::<_, bool>(0))? {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "jobs are still waiting ten minutes after the last webhook"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// Compares the ledger with the stored bytes, and each delivery with what its destination has.
fn judge(
    settings: &Settings,
    folder: &Path,
    acknowledged: &[bool],
    endpoints: &[(&str, Endpoint); 2],
) -> anyhow::Result<Verdict> {
    let connection = open(&folder.join("inlet.db"))?;
    let log = events_database(folder);
    let log = log.to_str().context("the folder's name is text")?;
    connection.execute("attach database ?1 as log", [log])?;
    let numbers: HashMap<u128, usize> =
        (0..acknowledged.len()).map(|number| (events::id(settings.seed, number as u64), number)).collect();
    let (template, mut copies, mut verdict) =
        (Template::new()?, vec![0_u8; acknowledged.len()], Verdict::default());
    let mut statement = connection.prepare("select seq, id, body from log.events")?;
    let mut jobs = connection.prepare(
        "select state, last_error is not null from jobs where event_seq = ?1 and destination = ?2 and kind = 'deliver'",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        verdict.stored += 1;
        let (seq, id): (i64, u128) =
            (row.get(0)?, parse_id(row.get_ref(1)?.as_str()?).context("an id of ours")?);
        let number = *numbers.get(&id).context("an id of ours")?;
        copies[number] = copies[number].saturating_add(1);
        let body = template.body(&id_text(id), number as u64, number as u64)?;
        verdict.altered += usize::from(row.get_ref(2)?.as_blob()? != body.as_bytes());
        for (name, endpoint) in endpoints {
            let found: Vec<(String, bool)> = jobs
                .query_map((seq, name), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            match found.as_slice() {
                [(state, _)] if state == "done" && endpoint.has(id) => verdict.delivered += 1,
                [(state, true)] if state == "dead" && *name == MOODY => verdict.dead += 1,
                _ => verdict.unaccounted += 1,
            }
        }
    }
    for (acknowledged, copies) in acknowledged.iter().zip(copies) {
        verdict.acknowledged += usize::from(*acknowledged);
        verdict.lost += usize::from(*acknowledged && copies == 0);
        verdict.repeated += usize::from(copies > 1);
    }
    Ok(verdict)
}

/// Of the line through the samples, least squares; the first tenth, in which caches fill, does not count.
fn slope_per_hour(samples: &[Sample]) -> f64 {
    let counted = &samples[samples.len() / 10..];
    let count = counted.len().max(1) as f64;
    let mean = |of: fn(&Sample) -> f64| counted.iter().map(of).sum::<f64>() / count;
    let (time, memory) = (mean(|sample| sample.after_s), mean(|sample| sample.mib));
    let covariance: f64 = counted.iter().map(|sample| (sample.after_s - time) * (sample.mib - memory)).sum();
    let variance: f64 = counted.iter().map(|sample| (sample.after_s - time).powi(2)).sum();
    if variance > 0.0 { covariance / variance * 3600.0 } else { 0.0 }
}

/// The databases' files, MiB by name.
fn sizes(folder: &Path) -> anyhow::Result<HashMap<String, u64>> {
    let mut sizes = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".db") {
            sizes.insert(name, entry.metadata()?.len() >> 20);
        }
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line() {
        let sample = |number: u32| Sample {
            after_s: f64::from(number) * 36.0,
            mib: 50.0 + f64::from(number) * 0.25,
            descriptors: 9,
        };
        let samples: Vec<Sample> = (0..100).map(sample).collect();
        assert!((slope_per_hour(&samples) - 25.0).abs() < 1e-6);
        assert_eq!(slope_per_hour(&[]), 0.0);
    }
}
