//! The parts of a full run: saturation, latency at half of it and at 500/s, two cores, sustained load, a burst.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::contestants::Contestant;
use crate::events::{Make, Requests};
use crate::load::Pace;
use crate::settings::Settings;
use crate::trial::{self, Shape, Trial};

/// The rate of the second latency part: far more than any number of texts a day, far from any limit.
const CALM: f64 = 500.0;
/// Share of the ceiling that the sustained part offers: the goal.
pub(super) const SUSTAINED: f64 = 0.65;
/// A round's set lasts for this rate. The no-op server is through with it earlier and is measured for less time.
const FASTEST: f64 = 50_000.0;
/// A burst's set takes long to sign and to send; it is dated ahead, so that the last one is not too old.
const BURST_AHEAD_S: i64 = 200;

/// All trials, by part.
#[derive(Serialize)]
pub(super) struct Parts {
    /// Closed loop, 64 connections.
    pub(super) saturation: Vec<Trial>,
    /// Open loop, 256 connections, at half of each contestant's own median saturation.
    pub(super) half: Vec<Trial>,
    /// Open loop at [`CALM`].
    pub(super) calm: Vec<Trial>,
    /// Closed loop, 256 connections; the server on both cores, shared with the generator.
    pub(super) two_cores: Vec<Trial>,
    /// The same with the server on one core and the generator on the other, for the comparison.
    pub(super) one_core: Vec<Trial>,
    /// Inlet in open loop at [`SUSTAINED`] of the ceiling while a destination is served.
    pub(super) sustained: Vec<Trial>,
    /// A closed loop of a minute, then time for the engine to hand everything on.
    pub(super) burst: Vec<Trial>,
    /// Trials that did not come to an end, and why.
    failed: Vec<String>,
}

impl Parts {
    /// Every trial with the name of its part.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &Trial)> {
        let named = [
            ("saturation", &self.saturation),
            ("half", &self.half),
            ("500/s", &self.calm),
            ("two cores", &self.two_cores),
            ("one core", &self.one_core),
            ("sustained", &self.sustained),
            ("burst", &self.burst),
        ];
        named.into_iter().flat_map(|(part, trials)| trials.iter().map(move |trial| (part, trial)))
    }

    /// What a reader must know about single trials.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.failed.clone();
        for (part, trial) in self.all() {
            let name = trial.contestant.name();
            if !trial.refused.is_empty() || trial.unanswered > 0 {
                let (refused, unanswered) = (&trial.refused, trial.unanswered);
                notes.push(format!(
                    "{part}: {name} gave other answers than 200 (status, count; 0 is none): {refused:?}; {unanswered} \
                     requests were not answered at all"
                ));
            }
            if trial.contestant != Contestant::Noop && trial.generator_cpu > 0.9 {
                let share = trial.generator_cpu * 100.0;
                notes.push(format!("{part}: the generator used {share:.0} % of its core against {name}"));
            }
            if trial.ledger.is_some_and(|ledger| !ledger.is_clean()) {
                notes.push(format!("{part}: {name} broke the promise: {:?}", trial.ledger));
            }
        }
        notes.dedup();
        notes
    }
}

/// The trials of one contestant.
pub(super) fn of(trials: &[Trial], contestant: Contestant) -> impl Iterator<Item = &Trial> {
    trials.iter().filter(move |trial| trial.contestant == contestant)
}

/// Median, smallest and largest of a figure over a contestant's trials; none without trials.
pub(super) fn spread(
    trials: &[Trial],
    contestant: Contestant,
    figure: fn(&Trial) -> f64,
) -> Option<(f64, f64, f64)> {
    let mut figures: Vec<f64> = of(trials, contestant).map(figure).collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let median = match figures.len() {
        0 => return None,
        odd if odd % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    };
    Some((median, figures[0], figures[figures.len() - 1]))
}

/// The median alone.
pub(super) fn median(trials: &[Trial], contestant: Contestant, figure: fn(&Trial) -> f64) -> Option<f64> {
    spread(trials, contestant, figure).map(|(median, _, _)| median)
}

struct Times {
    warm_up: Duration,
    short: Duration,
    open: Duration,
    sustained: Duration,
    burst: Duration,
    drain: Duration,
}

impl Times {
    fn of(settings: &Settings) -> Self {
        let seconds = |full, quick| Duration::from_secs(if settings.quick { quick } else { full });
        Self {
            warm_up: Duration::from_secs(1),
            short: seconds(5, 2),
            open: seconds(10, 3),
            sustained: seconds(30, 5),
            burst: seconds(60, 6),
            drain: seconds(900, 120),
        }
    }
}

struct Runner<'a> {
    settings: &'a Settings,
    times: Times,
    /// Number of the next set's first event: no two sets share an id.
    first: u64,
    failed: Vec<String>,
}

/// Runs all parts.
pub(super) async fn run(settings: &Settings, present: &[Contestant], rounds: usize) -> anyhow::Result<Parts> {
    use Contestant::{Noop, VerifyOnly};
    let mut runner = Runner { settings, times: Times::of(settings), first: 0, failed: Vec::new() };
    let saturation = runner.saturation(present, rounds).await?;
    let real: Vec<Contestant> = present.iter().copied().filter(|one| *one != Noop).collect();
    let halves: BTreeMap<Contestant, f64> = real
        .iter()
        .filter_map(|one| Some((*one, median(&saturation, *one, |trial| trial.rate)? / 2.0)))
        .collect();
    let half = runner.open("half of its saturation", &halves, rounds).await?;
    let calm_rates = real.iter().map(|one| (*one, CALM)).collect();
    let calm = runner.open("500/s", &calm_rates, rounds).await?;

    let (two_cores, one_core) = runner.cores(rounds).await?;
    let ceiling = median(&saturation, VerifyOnly, |trial| trial.rate).unwrap_or_default();
    let sustained = runner.sustained(ceiling * SUSTAINED).await?;
    let burst = runner.burst(ceiling).await?;
    Ok(Parts { saturation, half, calm, two_cores, one_core, sustained, burst, failed: runner.failed })
}

impl Runner<'_> {
    fn closed(&self) -> Shape {
        let Times { warm_up, short, .. } = self.times;
        Shape { connections: 64, pace: Pace::Closed, warm_up, length: short, drain: None }
    }

    fn open_at(&self, rate: f64, length: Duration) -> Shape {
        let warm_up = self.times.warm_up;
        Shape { connections: 256, pace: Pace::Open { rate }, warm_up, length, drain: None }
    }

    /// A fresh set that lasts for a warm-up and this time at this rate.
    fn sign_for(&mut self, length: Duration, rate: f64, ahead_s: i64) -> anyhow::Result<Arc<Requests>> {
        let count = ((length + self.times.warm_up).as_secs_f64() * rate * 1.05) as usize + 1_000;
        let make = Make { first: self.first, ahead_s, ..Make::unique(count, self.settings.seed) };
        self.first += count as u64;
        Ok(Arc::new(Requests::sign(make)?))
    }

    /// Runs one trial and shows its figures; one that fails is noted, and the run goes on.
    async fn trial(
        &mut self,
        part: &str,
        settings: &Settings,
        contestant: Contestant,
        requests: &Arc<Requests>,
        shape: Shape,
    ) -> Option<Trial> {
        let name = contestant.name();
        let trial = match trial::run(settings, contestant, requests, shape).await {
            Ok(trial) => trial,
            Err(error) => {
                eprintln!("{part}: {name} failed: {error:#}");
                self.failed.push(format!("{part}: {name} failed: {error:#}"));
                return None;
            }
        };
        let latency = trial.latency;
        eprintln!(
            "{part:24} {name:44} {:8.0}/s  p50 {:7.2}  p99 {:7.2}  p99.9 {:7.2} ms  {:5.1} µs/request  generator {:3.0} %",
            trial.rate,
            latency.p50,
            latency.p99,
            latency.p999,
            trial.server_cpu_us,
            trial.generator_cpu * 100.0
        );
        Some(trial)
    }

    async fn saturation(&mut self, present: &[Contestant], rounds: usize) -> anyhow::Result<Vec<Trial>> {
        let mut trials = Vec::new();
        for round in 0..rounds {
            let requests = self.sign_for(self.times.short, FASTEST, 0)?;
            // Each round begins with another one, so that no one always follows the same neighbour.
            for place in 0..present.len() {
                let contestant = present[(round + place) % present.len()];
                let shape = self.closed();
                trials.extend(self.trial("saturation", self.settings, contestant, &requests, shape).await);
            }
        }
        Ok(trials)
    }

    async fn open(
        &mut self,
        part: &str,
        rates: &BTreeMap<Contestant, f64>,
        rounds: usize,
    ) -> anyhow::Result<Vec<Trial>> {
        let (mut trials, length) = (Vec::new(), self.times.open);
        let fastest = rates.values().copied().fold(0.0, f64::max);
        for round in 0..rounds {
            let requests = self.sign_for(length, fastest, 0)?;
            for (contestant, rate) in rates.iter().cycle().skip(round).take(rates.len()) {
                let shape = self.open_at(*rate, length);
                trials.extend(self.trial(part, self.settings, *contestant, &requests, shape).await);
            }
        }
        Ok(trials)
    }

    /// The ceiling and Inlet on the server's and the driver's core together, and on the server's alone.
    /// With more connections than elsewhere: 64 of them wait for each other's commits while a second core has time to spare.
    async fn cores(&mut self, rounds: usize) -> anyhow::Result<(Vec<Trial>, Vec<Trial>)> {
        let one = self.settings.clone();
        let both = one.with_server_core(&[one.server_core.clone(), vec![one.driver_core]].concat());
        let (mut two_cores, mut one_core) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let requests = self.sign_for(self.times.short, FASTEST, 0)?;
            let shape = Shape { connections: 256, ..self.closed() };
            for contestant in [Contestant::VerifyOnly, Contestant::Inlet] {
                two_cores.extend(self.trial("two cores", &both, contestant, &requests, shape).await);
                one_core.extend(self.trial("one core", &one, contestant, &requests, shape).await);
            }
        }
        Ok((two_cores, one_core))
    }

    async fn sustained(&mut self, rate: f64) -> anyhow::Result<Vec<Trial>> {
        let length = self.times.sustained;
        let requests = self.sign_for(length, rate, 0)?;
        let shape = Shape { drain: Some(self.times.drain), ..self.open_at(rate, length) };
        Ok(self
            .trial("sustained", self.settings, Contestant::Inlet, &requests, shape)
            .await
            .into_iter()
            .collect())
    }

    async fn burst(&mut self, ceiling: f64) -> anyhow::Result<Vec<Trial>> {
        let Times { burst, drain, .. } = self.times;
        let requests = self.sign_for(burst, ceiling * 1.2, BURST_AHEAD_S)?;
        let shape = Shape { length: burst, drain: Some(drain), ..self.closed() };
        let mut trials = Vec::new();
        for contestant in [Contestant::VerifyOnly, Contestant::Inlet] {
            let drain = shape.drain.filter(|_| contestant == Contestant::Inlet);
            let shape = Shape { drain, ..shape };
            trials.extend(self.trial("burst", self.settings, contestant, &requests, shape).await);
        }
        Ok(trials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Percentiles;

    pub(super) fn trial(contestant: Contestant, rate: f64) -> Trial {
        Trial {
            contestant,
            rate,
            latency: Percentiles::default(),
            refused: Vec::new(),
            unanswered: 0,
            generator_cpu: 0.3,
            sent_late_ms: 0.0,
            server_cpu_us: 30.0,
            peak_mib: 40.0,
            delivered: 0,
            acknowledged: 1,
            drained_after_s: None,
            ledger: None,
        }
    }

    #[test]
    fn a_median_belongs_to_one_contestant() {
        let trials = [10.0, 30.0, 20.0].map(|rate| trial(Contestant::Inlet, rate));
        assert_eq!(spread(&trials, Contestant::Inlet, |trial| trial.rate), Some((20.0, 10.0, 30.0)));
        assert_eq!(median(&trials[..2], Contestant::Inlet, |trial| trial.rate), Some(20.0));
        assert_eq!(median(&trials, Contestant::Express, |trial| trial.rate), None);
    }
}
