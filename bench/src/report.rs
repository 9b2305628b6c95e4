//! The figures of one run, as text.

use crate::ledger::Checked;
use crate::load::Measured;
use crate::process::Memory;

/// Writes rate, latency, memory and the oracle's verdict.
pub(crate) fn text(measured: &Measured, memory: Memory, delivered: usize, checked: &Checked) -> String {
    let latency = measured.latencies().percentiles();
    format!(
        "acknowledged  {:.0}/s ({} in {:.2} s)\n\
         latency       p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms  max {:.2} ms\n\
         refused       {:?}, unanswered {}\n\
         generator     {:.0} % of its core, at most {:.2} ms late\n\
         memory        {} MiB at the end, {} MiB at most\n\
         delivered     {delivered} by the end of the load\n\
         ledger        {} events acknowledged, {} rows; lost {}, altered {}, stored twice {}\n",
        measured.rate(),
        measured.samples.len(),
        measured.elapsed.as_secs_f64(),
        latency.p50,
        latency.p99,
        latency.p999,
        latency.max,
        measured.refused,
        measured.unanswered,
        measured.generator_cpu * 100.0,
        measured.sent_late.as_secs_f64() * 1e3,
        memory.now_kib / 1024,
        memory.peak_kib / 1024,
        checked.acknowledged,
        checked.stored,
        checked.lost,
        checked.altered,
        checked.repeated,
    )
}
