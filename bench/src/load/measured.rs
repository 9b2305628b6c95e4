//! What a run has measured, as exact samples.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// One acknowledged (200) request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// The event's number in its set.
    pub(crate) event: u32,
    /// When it was sent (closed loop) or due (open loop), nanoseconds since the run began.
    pub(crate) due_ns: u64,
    /// From then to its answer.
    pub(crate) latency_ns: u64,
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Acknowledged requests, warm-up included, in the order of their answers.
    pub(crate) samples: Vec<Sample>,
    /// Other answers by status, warm-up included; 0 stands for a connection that ended without an answer.
    pub(crate) refused: BTreeMap<u16, usize>,
    /// Requests that were due and had no answer when patience ended.
    pub(crate) unanswered: usize,
    /// Place in `requests.order` after the last request sent: all before it may have been taken.
    pub(crate) next: usize,
    /// Time before measuring began.
    pub(crate) warm_up: Duration,
    /// Time measured.
    pub(crate) elapsed: Duration,
    /// Share of a core that the generator's thread used; from 0.9 on it may have been the limit in closed loop.
    pub(crate) generator_cpu: f64,
    /// Latest that an open loop sent a request for which a connection was free: the generator's own share of the tail.
    pub(crate) sent_late: Duration,
}

impl Measured {
    /// Acknowledged a second while measuring, by the time of the answer.
    pub(crate) fn rate(&self) -> f64 {
        let (from, to) = (nanoseconds(self.warm_up), nanoseconds(self.warm_up + self.elapsed));
        let within = |sample: &&Sample| (from..=to).contains(&(sample.due_ns + sample.latency_ns));
        self.samples.iter().filter(within).count() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latencies of requests that were due after the warm-up. A request that was refused or never answered, in the
    /// warm-up too, counts as the longest, so that it cannot improve the tail.
    pub(crate) fn latencies(&self) -> Latencies {
        let from = nanoseconds(self.warm_up);
        let measured = self.samples.iter().filter(|sample| sample.due_ns >= from);
        let mut all: Vec<u64> = measured.map(|sample| sample.latency_ns).collect();
        let never = nanoseconds(self.warm_up + self.elapsed).max(all.iter().copied().max().unwrap_or(0));
        all.extend(std::iter::repeat_n(never, self.failures()));
        Latencies::of(all)
    }

    /// Answers other than 200, and none at all.
    pub(crate) fn failures(&self) -> usize {
        self.refused.values().sum::<usize>() + self.unanswered
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Sorted latencies.
pub(crate) struct Latencies(Vec<u64>);

/// The percentiles that reports show, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Latencies {
    /// Of nanoseconds in any order.
    pub(crate) fn of(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        Self(nanoseconds)
    }

    /// The smallest latency that at least this share (0 to 1) does not exceed, milliseconds; 0 of nothing.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(place.saturating_sub(1)).map_or(0.0, |latency| *latency as f64 / 1e6)
    }

    /// The usual ones.
    pub(crate) fn percentiles(&self) -> Percentiles {
        Percentiles { p50: self.at(0.5), p99: self.at(0.99), p999: self.at(0.999), max: self.at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample_that_the_share_does_not_exceed() {
        let latencies = Latencies::of((1..=1000).rev().map(|number| number * 1_000_000).collect());
        let expected = Percentiles { p50: 500.0, p99: 990.0, p999: 999.0, max: 1000.0 };
        assert_eq!(latencies.percentiles(), expected);
        assert_eq!(Latencies::of(vec![7_000_000]).percentiles().p50, 7.0);
        assert_eq!(Latencies::of(Vec::new()).percentiles(), Percentiles::default());
    }

    fn sample(due_ms: u64, latency_ms: u64) -> Sample {
        Sample { event: 0, due_ns: due_ms * 1_000_000, latency_ns: latency_ms * 1_000_000 }
    }

    #[test]
    fn the_warm_up_counts_for_neither_rate_nor_latency() {
        let samples = vec![sample(0, 90), sample(95, 10), sample(150, 5), sample(195, 10)];
        let measured = Measured {
            samples,
            warm_up: Duration::from_millis(100),
            elapsed: Duration::from_millis(100),
            ..Measured::default()
        };
        assert_eq!(measured.rate(), 20.0, "answers at 105 and 155 ms; the one at 205 ms is too late");
        assert_eq!(measured.latencies().at(1.0), 10.0);
        assert_eq!(measured.latencies().at(0.5), 5.0);
    }

    #[test]
    fn a_request_that_was_refused_or_had_no_answer_is_the_worst_of_all() {
        let mut measured = Measured { samples: vec![sample(0, 1); 99], ..Measured::default() };
        measured.elapsed = Duration::from_secs(3);
        assert_eq!(measured.latencies().at(1.0), 1.0);
        measured.unanswered = 1;
        assert_eq!((measured.latencies().at(0.99), measured.latencies().at(1.0)), (1.0, 3000.0));
        measured.refused.insert(503, 1);
        assert_eq!(measured.latencies().at(0.985), 3000.0);
    }
}
