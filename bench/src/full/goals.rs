//! The goals that the parts answer; each is a ratio within one run, but for two latencies and the memory.

use serde_json::json;

use super::parts::{Parts, SUSTAINED, median, of};
use crate::contestants::Contestant::{Express, ExpressFsync, FastApi, Inlet, VerifyOnly};
use crate::goal::Goal;
use crate::trial::Trial;

/// Page caches that the store gives its two writers (`cache_kib` in `store::sqlite::migrate`); the readers' are not used by
/// ingest.
const CACHE_MIB: f64 = 20.0;

/// One goal for each question that could be asked; a missing contestant leaves its goals out.
pub(super) fn of_parts(parts: &Parts) -> Vec<Goal> {
    let mut goals = Vec::new();
    goals.extend(sustained(parts));
    goals.extend(burst(parts));
    goals.extend(times(parts));
    goals.extend(tails(parts));
    goals.extend(two_cores(parts));
    goals.extend(memory(parts));
    goals.push(ledger(parts));
    goals
}

fn sustained(parts: &Parts) -> Option<Goal> {
    let (ceiling, trial) =
        (median(&parts.saturation, VerifyOnly, rate)?, of(&parts.sustained, Inlet).next()?);
    let owed = trial.acknowledged.saturating_sub(trial.delivered);
    // One second's worth may be on its way.
    let keeps_up = owed as f64 <= trial.rate && trial.unanswered == 0;
    let share = trial.rate / ceiling;
    let whole = parts.burst.iter().find(|trial| trial.contestant == Inlet);
    let whole = whole.and_then(|trial| Some(trial.acknowledged as f64 / trial.drained_after_s? / ceiling));
    let all = whole.map_or(String::new(), |whole| {
        format!("; a burst with all its deliveries went through at {:.0} % of the ceiling", whole * 100.0)
    });
    Some(Goal {
        name: "Acknowledged rate while the engine keeps up with delivery".to_owned(),
        target: format!(
            "≥ {:.0} % of the ceiling, less than a second's worth undelivered",
            SUSTAINED * 100.0
        ),
        measured: format!("{:.0} % with {owed} undelivered at the end{all}", share * 100.0),
        met: share >= SUSTAINED * 0.99 && keeps_up,
        detail: json!({"ceiling": ceiling, "offered": ceiling * SUSTAINED, "trial": trial, "burst_through": whole}),
    })
}

fn burst(parts: &Parts) -> Option<Goal> {
    let ceiling = of(&parts.burst, VerifyOnly).next()?;
    let inlet = of(&parts.burst, Inlet).next()?;
    let share = inlet.rate / ceiling.rate;
    let drained = inlet.drained_after_s.map_or("the engine did not catch up".to_owned(), |seconds| {
        format!("all was delivered {seconds:.0} s after the beginning")
    });
    Some(Goal {
        name: "Acknowledged rate in a burst of a minute, engine catching up after".to_owned(),
        target: "≥ 85 % of the ceiling".to_owned(),
        measured: format!("{:.0} % ({:.0}/s of {:.0}/s); {drained}", share * 100.0, inlet.rate, ceiling.rate),
        met: share >= 0.85 && inlet.drained_after_s.is_some(),
        detail: json!({"inlet": inlet, "ceiling": ceiling}),
    })
}

/// Inlet beside the recipes; both Redis settings are said, the faster one decides.
fn times(parts: &Parts) -> Vec<Goal> {
    let peers = [("the guide's recipe", [Express, ExpressFsync].as_slice()), ("FastAPI", &[FastApi])];
    let found = peers.into_iter().filter_map(|(name, peers)| {
        let inlet = median(&parts.saturation, Inlet, rate)?;
        let rates: Vec<(&str, f64)> = peers
            .iter()
            .filter_map(|peer| Some((peer.name(), median(&parts.saturation, *peer, rate)?)))
            .collect();
        let fastest = rates.iter().map(|(_, rate)| *rate).reduce(f64::max)?;
        let said: Vec<String> =
            rates.iter().map(|(name, rate)| format!("{:.1} × {name}", inlet / rate)).collect();
        Some(Goal {
            name: format!("Saturation beside {name}"),
            target: "≥ 6 ×".to_owned(),
            measured: said.join("; "),
            met: inlet / fastest >= 6.0,
            detail: json!({"inlet": inlet, "peers": rates}),
        })
    });
    found.collect()
}

fn tails(parts: &Parts) -> Vec<Goal> {
    let half = median(&parts.half, Inlet, p99).zip(median(&parts.half, VerifyOnly, p99));
    let half = half.map(|(inlet, ceiling)| Goal {
        name: "p99 at half of its own saturation".to_owned(),
        target: "≤ 2 × the ceiling's".to_owned(),
        measured: format!("{:.1} × ({inlet:.2} ms of {ceiling:.2} ms)", inlet / ceiling),
        met: inlet <= 2.0 * ceiling,
        detail: json!({"inlet_ms": inlet, "ceiling_ms": ceiling}),
    });
    let calm = median(&parts.calm, Inlet, |trial| trial.latency.p999).map(|inlet| Goal {
        name: "p99.9 at 500/s".to_owned(),
        target: "≤ 25 ms".to_owned(),
        measured: format!("{inlet:.2} ms"),
        met: inlet <= 25.0,
        detail: json!({"inlet_ms": inlet, "ceiling_ms": median(&parts.calm, VerifyOnly, |trial| trial.latency.p999)}),
    });
    half.into_iter().chain(calm).collect()
}

fn two_cores(parts: &Parts) -> Option<Goal> {
    let gain = |contestant| {
        Some(median(&parts.two_cores, contestant, rate)? / median(&parts.one_core, contestant, rate)?)
    };
    let (inlet, ceiling) = (gain(Inlet)?, gain(VerifyOnly)?);
    Some(Goal {
        name: "Two cores, shared with the generator, beside one".to_owned(),
        target: "≥ 1.6 ×".to_owned(),
        measured: format!("{inlet:.2} × (the ceiling gains {ceiling:.2} ×)"),
        met: inlet >= 1.6,
        detail: json!({"inlet": inlet, "ceiling": ceiling}),
    })
}

fn memory(parts: &Parts) -> Option<Goal> {
    let peak = median(&parts.saturation, Inlet, |trial| trial.peak_mib)?;
    let beyond = peak - CACHE_MIB;
    Some(Goal {
        name: "Memory at saturation beyond the configured page cache".to_owned(),
        target: "≤ 64 MiB".to_owned(),
        measured: format!("{beyond:.0} MiB ({peak:.0} MiB resident at most, {CACHE_MIB:.0} MiB cache)"),
        met: beyond <= 64.0,
        detail: json!({"peak_mib": peak, "cache_mib": CACHE_MIB}),
    })
}

/// Not a goal of speed: what makes the others worth anything.
fn ledger(parts: &Parts) -> Goal {
    let checked: Vec<_> = parts.all().filter_map(|(_, trial)| trial.ledger).collect();
    let acknowledged: usize = checked.iter().map(|ledger| ledger.acknowledged).sum();
    let wrong: usize = checked.iter().map(|ledger| ledger.lost + ledger.altered + ledger.repeated).sum();
    Goal {
        name: "Acknowledged events stored once, byte for byte".to_owned(),
        target: "all".to_owned(),
        measured: format!(
            "{acknowledged} acknowledged in {} runs, {wrong} lost, altered or doubled",
            checked.len()
        ),
        met: wrong == 0 && acknowledged > 0,
        detail: json!(checked),
    }
}

fn rate(trial: &Trial) -> f64 {
    trial.rate
}

fn p99(trial: &Trial) -> f64 {
    trial.latency.p99
}
