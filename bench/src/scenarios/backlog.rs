//! Everything downstream dead (one destination hangs, nine refuse, Telnyx's API is gone) and a million jobs waiting: what the
//! listener notices of it, in turns with a gateway in peace, whose store is new each time.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::fill::{self, Contents, Jobs};
use super::{at_most, ensure_stored, figure, median, newest, seconds};
use crate::endpoint::Endpoint;
use crate::events::{Make, Requests};
use crate::gateway::{Configuration, Gateway};
use crate::goal::Goal;
use crate::load::{Generator, Measured, Percentiles};
use crate::settings::Settings;

const DESTINATIONS: u64 = 10;
const FACTOR: f64 = 1.2;
/// More than any load has in this time.
const MOST_PER_S: usize = 40_000;

/// One turn.
#[derive(Clone, Debug, Serialize)]
struct Turn {
    per_s: f64,
    latency: Percentiles,
    failures: usize,
    peak_mib: f64,
}

/// Runs the scenario.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    let events = if settings.quick { 1_000 } else { 100_000 };
    let names: Vec<String> = (0..DESTINATIONS).map(|number| format!("dead-{number}")).collect();
    let trouble = settings.fresh_folder("trouble")?;
    fill::fill(settings, trouble.path(), &Contents { events, jobs: Jobs::Waiting(names.clone()) }).await?;
    let (healthy, hung) = (Endpoint::start(settings.driver_core)?, Endpoint::start(settings.driver_core)?);
    hung.hang(true);
    let calm = Configuration::delivering_to(healthy.address);
    let dead = everything_dead(&names, hung.address)?;

    let mut runner = Runner { settings, first: 0 };
    // Finds the rate at which latency is compared.
    let half = runner.saturation(None, &calm).await?.0 / 2.0;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for _ in 0..if settings.quick { 1 } else { 5 } {
        before.push(runner.turn(None, &calm, half).await?);
        after.push(runner.turn(Some(trouble.path()), &dead, half).await?);
    }
    let jobs = events * DESTINATIONS;
    let detail = json!({ "jobs": jobs, "half_per_s": half, "peace": before, "trouble": after });
    let ratio = |of: fn(&Turn) -> f64| {
        median(after.iter().map(of).collect()) / median(before.iter().map(of).collect()).max(1e-9)
    };
    let slower = 1.0 / ratio(|turn| turn.per_s).max(1e-9);
    let (p99, p999) = (ratio(|turn| turn.latency.p99), ratio(|turn| turn.latency.p999));
    let peak = after.iter().map(|turn| turn.peak_mib).fold(0.0, f64::max);
    let failures: usize = after.iter().map(|turn| turn.failures).sum();
    let factor = |what: &str, measured: f64, of: fn(&Turn) -> f64| {
        let name = format!("{what} with all downstream dead and {jobs} jobs waiting, against peace");
        let goal = figure(&name, format!("within {FACTOR} ×"), (measured, "×"), measured <= FACTOR);
        let measured =
            format!("{} (turns: {} against {})", goal.measured, range(&after, of), range(&before, of));
        Goal { met: goal.met && failures == 0, measured, ..goal }.with_detail(detail.clone())
    };
    Ok(vec![
        factor("acknowledged rate (how much slower)", slower, |turn| turn.per_s),
        factor("p99 at half of saturation", p99, |turn| turn.latency.p99),
        factor("p99.9 at half of saturation", p999, |turn| turn.latency.p999),
        at_most(&format!("memory with {jobs} jobs waiting"), 256.0, peak, "MiB").with_detail(detail.clone()),
    ])
}

/// The smallest and the largest of a figure.
fn range(turns: &[Turn], of: fn(&Turn) -> f64) -> String {
    let (least, most) = turns
        .iter()
        .map(of)
        .fold((f64::MAX, 0.0), |(least, most): (f64, f64), figure| (least.min(figure), most.max(figure)));
    format!("{least:.1} to {most:.1}")
}

/// One destination that hangs, the others refuse; replies want to go out through an API that is not there.
fn everything_dead(names: &[String], hung: SocketAddr) -> anyhow::Result<Configuration> {
    let refusing = || anyhow::Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?);
    let mut destinations = Vec::new();
    for (place, name) in names.iter().enumerate() {
        destinations.push((name.clone(), if place == 0 { hung } else { refusing()? }));
    }
    let more = format!(
        "[telnyx]\napi_key = \"KEY0\"\nbase_url = \"http://{}/v2\"\n[[replies]]\nname = \"any\"\ntext = \"Thanks.\"\n",
        refusing()?
    );
    Ok(Configuration { destinations, more, ..Configuration::default() })
}

struct Runner<'a> {
    settings: &'a Settings,
    /// Number of the next set's first event: no two sets share an id.
    first: u64,
}

impl Runner<'_> {
    fn requests(&mut self, count: usize) -> anyhow::Result<Arc<Requests>> {
        let make = Make { first: self.first, ..Make::unique(count, self.settings.seed) };
        self.first += u64::try_from(count)?;
        Ok(Arc::new(Requests::sign(make)?))
    }

    /// Acknowledged a second, requests that failed, and the most memory, MiB.
    async fn saturation(
        &mut self,
        kept: Option<&Path>,
        configuration: &Configuration,
    ) -> anyhow::Result<(f64, usize, f64)> {
        let (warm_up, length) = (seconds(self.settings, 2, 1), seconds(self.settings, 5, 1));
        let requests = self.requests((warm_up + length).as_secs() as usize * MOST_PER_S)?;
        let (measured, peak_mib) =
            self.run(kept, configuration, requests, |load| load.during(warm_up, length)).await?;
        Ok((measured.rate(), measured.failures(), peak_mib))
    }

    /// The saturation, then the latency at a rate.
    async fn turn(
        &mut self,
        kept: Option<&Path>,
        configuration: &Configuration,
        rate: f64,
    ) -> anyhow::Result<Turn> {
        let (per_s, refused, peak_mib) = self.saturation(kept, configuration).await?;
        let (warm_up, length) = (seconds(self.settings, 2, 1), seconds(self.settings, 10, 2));
        let requests = self.requests(((warm_up + length).as_secs_f64() * rate) as usize)?;
        let (measured, later_mib) = self
            .run(kept, configuration, requests, |load| load.at_rate(rate).during(warm_up, length))
            .await?;
        Ok(Turn {
            per_s,
            latency: measured.latencies().percentiles(),
            failures: refused + measured.failures(),
            peak_mib: peak_mib.max(later_mib),
        })
    }

    /// Starts a gateway, in a fresh folder if none is given, and sends to it; the most memory it had, MiB.
    async fn run(
        &self,
        kept: Option<&Path>,
        configuration: &Configuration,
        requests: Arc<Requests>,
        shape: impl FnOnce(Generator) -> Generator,
    ) -> anyhow::Result<(Measured, f64)> {
        let fresh = self.settings.fresh_folder("peace")?;
        let folder = kept.unwrap_or(fresh.path());
        let gateway = Gateway::start(self.settings, folder, configuration).await?;
        let before = newest(folder)?;
        let load = Generator::new(gateway.address, Arc::clone(&requests), self.settings.driver_core);
        let measured = shape(load).run().await?;
        let peak_mib = gateway.memory()?.peak_kib as f64 / 1024.0;
        gateway.stop().await?;
        ensure_stored(&requests, &measured, folder, before)?;
        Ok((measured, peak_mib))
    }
}
