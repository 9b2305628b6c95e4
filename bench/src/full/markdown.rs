//! The report as Markdown, for people.

use std::fmt::Write;

use super::Report;
use super::parts::{Parts, median, spread};
use crate::contestants::Contestant::{self, Express, Inlet, Noop, VerifyOnly};
use crate::goal::Goal;
use crate::trial::Trial;

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let parts = &report.parts;
    let mut sections = vec![
        head(report),
        format!("## Goals\n\n{}", goals(&report.goals)),
        format!("## Saturation\n\n{SATURATION}\n\n{}", saturation(parts)),
        format!("## Latency at half of its own saturation\n\n{HALF}\n\n{}", latency(&parts.half)),
        format!("## Latency at 500 a second\n\n{}", latency(&parts.calm)),
        format!("## Two cores\n\n{TWO_CORES}\n\n{}", two_cores(parts)),
        format!("## Load and delivery together\n\n{DELIVERY}\n\n{}", delivery(parts)),
        versions(report),
    ];
    if !report.notes.is_empty() {
        sections.push(format!("## Notes\n\n{}", list(&report.notes)));
    }
    sections.join("\n\n") + "\n"
}

const SATURATION: &str = "Closed loop, 64 keep-alive connections, one request in flight on each. Median of the rounds, smallest and \
largest in parentheses; latencies and memory are medians. *Server CPU* is the time that all its processes use for one request; \
where the generator's share of its core is near 100 %, the figure is a lower bound.";
const HALF: &str = "Open loop, 256 connections. A latency counts from the time the request was due, so a stall of the server shows \
in all requests that waited for it. The ceiling has no disk to wait for: its tail is the machine's noise. *Generator late* is the \
longest that the generator itself sent a request after its time although a connection was free.";
const TWO_CORES: &str = "Closed loop, 256 connections: 64 wait for each other's commits while a second core has time to spare. The server \
may use both cores and shares them with the generator; beside it the same contestant on one core in the same rounds.";
const DELIVERY: &str = "*Sustained* offers a fixed rate and looks whether the destination keeps up; *burst* sends as much as it can for a \
minute, and the engine catches up after.";

fn head(report: &Report) -> String {
    let quick = if report.quick { " (quick run: shows that it works, not what it costs)" } else { "" };
    format!(
        "# Figures of {}{quick}\n\nCommit {}; rounds: {}. {} The host withheld {:.1} % of the \
         cores' time from it.\n\n```console\n$ {}\n```\n\nHow it is measured, and what to beware of: \
         [docs/benchmarks.md](../../docs/benchmarks.md). Compare figures of one report only.",
        report.date,
        report.commit,
        report.rounds,
        report.machine.text(),
        report.withheld * 100.0,
        report.command
    )
}

fn goals(goals: &[Goal]) -> String {
    let rows = goals.iter().map(|goal| {
        let verdict = if goal.met { "yes" } else { "**no**" };
        vec![goal.name.clone(), goal.target.clone(), goal.measured.clone(), verdict.to_owned()]
    });
    table(&["", "goal", "measured", "met"], rows)
}

fn saturation(parts: &Parts) -> String {
    let trials = &parts.saturation;
    let rate = |contestant| median(trials, contestant, |trial| trial.rate);
    let rows = Contestant::ALL.into_iter().filter_map(|contestant| {
        let (middle, least, most) = spread(trials, contestant, |trial| trial.rate)?;
        let figure = |figure: fn(&Trial) -> f64| median(trials, contestant, figure).unwrap_or_default();
        let against = |other: Option<f64>, unit: f64, digits: usize, sign: &str| {
            let other = other.filter(|_| contestant != Noop);
            other.map_or("–".to_owned(), |other| format!("{:.digits$} {sign}", middle / other * unit))
        };
        Some(vec![
            contestant.name().to_owned(),
            format!("**{middle:.0}** ({least:.0}–{most:.0})"),
            against(rate(VerifyOnly), 100.0, 0, "%"),
            against(rate(Express), 1.0, 1, "×"),
            format!(
                "{:.1} / {:.1} / {:.1}",
                figure(|trial| trial.latency.p50),
                figure(|trial| trial.latency.p99),
                figure(|trial| trial.latency.p999)
            ),
            format!("{:.1}", figure(|trial| trial.server_cpu_us)),
            format!("{:.0}", figure(|trial| trial.peak_mib)),
            format!("{:.0} %", figure(|trial| trial.generator_cpu) * 100.0),
            contestant.keeps().to_owned(),
        ])
    });
    let header = [
        "contestant",
        "acknowledged/s",
        "of the ceiling",
        "beside the recipe",
        "p50 / p99 / p99.9 ms",
        "server CPU µs",
        "memory MiB",
        "generator",
        "what a 200 is worth",
    ];
    table(&header, rows)
}

fn latency(trials: &[Trial]) -> String {
    let rows = Contestant::ALL.into_iter().filter_map(|contestant| {
        let figures: [fn(&Trial) -> f64; 3] =
            [|trial| trial.latency.p50, |trial| trial.latency.p99, |trial| trial.latency.p999];
        let mut row = vec![
            contestant.name().to_owned(),
            format!("{:.0}", median(trials, contestant, |trial| trial.rate)?),
        ];
        for figure in figures {
            let (middle, least, most) = spread(trials, contestant, figure)?;
            row.push(format!("{middle:.2} ({least:.2}–{most:.2})"));
        }
        let (_, _, max) = spread(trials, contestant, |trial| trial.latency.max)?;
        row.push(format!("{max:.1}"));
        row.push(format!("{:.2}", median(trials, contestant, |trial| trial.sent_late_ms)?));
        Some(row)
    });
    table(
        &["contestant", "rate/s", "p50 ms", "p99 ms", "p99.9 ms", "longest of all ms", "generator late ms"],
        rows,
    )
}

fn two_cores(parts: &Parts) -> String {
    let rows = [VerifyOnly, Inlet].into_iter().filter_map(|contestant| {
        let (one, one_least, one_most) = spread(&parts.one_core, contestant, |trial| trial.rate)?;
        let (two, two_least, two_most) = spread(&parts.two_cores, contestant, |trial| trial.rate)?;
        Some(vec![
            contestant.name().to_owned(),
            format!("{one:.0} ({one_least:.0}–{one_most:.0})"),
            format!("{two:.0} ({two_least:.0}–{two_most:.0})"),
            format!("{:.2} ×", two / one),
        ])
    });
    table(&["contestant", "one core", "two cores, shared", "gain"], rows)
}

fn delivery(parts: &Parts) -> String {
    let named = [("sustained", &parts.sustained), ("burst", &parts.burst)];
    let trials = named.into_iter().flat_map(|(part, trials)| trials.iter().map(move |trial| (part, trial)));
    let rows = trials.map(|(part, trial)| {
        vec![
            part.to_owned(),
            trial.contestant.name().to_owned(),
            format!("{:.0}", trial.rate),
            trial.acknowledged.to_string(),
            trial.delivered.to_string(),
            trial.drained_after_s.map_or("–".to_owned(), |seconds| format!("{seconds:.1} s")),
            format!("{:.2} / {:.2}", trial.latency.p99, trial.latency.p999),
            format!("{:.0}", trial.peak_mib),
        ]
    });
    let header = [
        "part",
        "contestant",
        "acknowledged/s",
        "acknowledged",
        "delivered when the load ended",
        "all delivered after",
        "p99 / p99.9 ms",
        "memory MiB",
    ];
    table(&header, rows)
}

fn versions(report: &Report) -> String {
    let named = report.versions.iter().map(|(name, version)| format!("{name}: {version}"));
    let missing = report
        .missing
        .iter()
        .map(|(contestant, what)| format!("{} did not take part: `{what}` is missing", contestant.name()));
    format!("## Versions\n\n{}", list(&named.chain(missing).collect::<Vec<_>>()))
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}", header.join(" | "), " --- |".repeat(header.len()));
    for row in rows {
        // Writing to a string does not fail.
        let _ = write!(text, "\n| {} |", row.join(" | "));
    }
    text
}
