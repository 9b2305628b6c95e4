//! The figures of a run, as text.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::Checked;
use crate::load::Measured;

/// Writes rate, latency, memory and the oracle's verdict.
pub(crate) fn text(
    measured: &Measured,
    (memory, peak): (u64, u64),
    delivered: usize,
    checked: &Checked,
) -> String {
    let mut latencies: Vec<Duration> = measured.acknowledged.iter().map(|(_, latency)| *latency).collect();
    latencies.sort_unstable();
    let mut refused: BTreeMap<u16, usize> = BTreeMap::new();
    measured.refused.iter().for_each(|status| *refused.entry(*status).or_default() += 1);
    let rate = latencies.len() as f64 / measured.elapsed.as_secs_f64();
    format!(
        "acknowledged  {rate:.0}/s ({} in {:.2} s)\n\
         latency       p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms  max {:.2} ms\n\
         refused       {refused:?}\n\
         memory        {} MiB at the end, {} MiB at most\n\
         delivered     {delivered} by the end of the load\n\
         ledger        {} events acknowledged, {} rows; lost {}, altered {}, stored twice {}\n",
        latencies.len(),
        measured.elapsed.as_secs_f64(),
        at(&latencies, 0.5),
        at(&latencies, 0.99),
        at(&latencies, 0.999),
        at(&latencies, 1.0),
        memory / 1024,
        peak / 1024,
        checked.acknowledged,
        checked.stored,
        checked.lost,
        checked.altered,
        checked.repeated,
    )
}

fn at(sorted: &[Duration], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
}
