//! The generator's thread: sends what is due, waits in epoll for answers, and keeps one sample of each.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

use super::connection::{Connection, Progress};
use super::{Generator, Measured, Pace, Sample};
use crate::cores;

/// The longest wait in epoll, so that the end of the run is noticed.
const TICK: Duration = Duration::from_millis(10);
/// How long a connection may take: before the run, and in it, where everything else waits meanwhile.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const RECONNECT_TIMEOUT: Duration = Duration::from_millis(250);

/// Runs the load on the calling thread.
pub(super) fn run(load: &Generator) -> anyhow::Result<Measured> {
    cores::pin(&load.cores)?;
    // The default slack of 50 µs would be added to each request of an open loop.
    set_current_timer_slack(NonZeroU64::new(1))?;
    let mut running = Running::start(load)?;
    running.drive()?;
    anyhow::ensure!(running.warm.is_some(), "the requests were through before the warm-up was");
    Ok(running.finish())
}

/// A request without its answer.
#[derive(Clone, Copy)]
struct Flight {
    event: u32,
    due: Instant,
}

struct Slot {
    /// None while the server refuses connections.
    connection: Option<Connection>,
    flight: Option<Flight>,
}

struct Running<'a> {
    load: &'a Generator,
    epoll: OwnedFd,
    slots: Vec<Slot>,
    /// Slots without a request, the longest idle first.
    free: VecDeque<usize>,
    /// Slots without a connection.
    down: Vec<usize>,
    in_flight: usize,
    /// The open loop had no free connection: what is sent late now is the server's doing.
    starved: bool,
    next: usize,
    begin: Instant,
    measured: Measured,
    /// CPU time at the end of the warm-up, and when that was.
    warm: Option<(Duration, Instant)>,
}

impl<'a> Running<'a> {
    fn start(load: &'a Generator) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut slots = Vec::with_capacity(load.connections);
        for number in 0..load.connections {
            let connection = connect(load, &epoll, number, CONNECT_TIMEOUT)?;
            slots.push(Slot { connection: Some(connection), flight: None });
        }
        let expected = load.range.len();
        let measured = Measured { samples: Vec::with_capacity(expected), ..Measured::default() };
        Ok(Self {
            load,
            epoll,
            free: (0..slots.len()).collect(),
            slots,
            down: Vec::new(),
            in_flight: 0,
            starved: false,
            next: load.range.start,
            begin: Instant::now(),
            measured,
            warm: None,
        })
    }

    fn drive(&mut self) -> anyhow::Result<()> {
        let end = self.load.warm_up + self.load.length;
        let (mut events, mut buffer) = (Vec::with_capacity(256), vec![0; 64 * 1024]);
        let mut ended_at = None;
        loop {
            let now = Instant::now();
            if self.warm.is_none() && now >= self.begin + self.load.warm_up {
                self.warm = Some((cpu_time(), now));
            }
            self.reconnect();
            let more = self.send_due(now, end);
            if !more {
                let ended_at = *ended_at.get_or_insert(now);
                let waiting = self.in_flight > 0 || self.is_behind(end);
                if !waiting || now > ended_at + self.load.patience {
                    return Ok(());
                }
            }
            self.wait(&mut events, now)?;
            for event in events.drain(..) {
                self.ready(event, &mut buffer);
                if self.load.pace == Pace::Closed {
                    self.send_due(Instant::now(), end);
                }
            }
        }
    }

    /// When the request at this place is due, if the pace says so.
    fn due(&self, place: usize) -> Option<Duration> {
        match self.load.pace {
            Pace::Closed => None,
            Pace::Open { rate } => {
                Some(Duration::from_secs_f64((place - self.load.range.start) as f64 / rate))
            }
        }
    }

    /// Whether the open loop owes requests that were due before the end.
    fn is_behind(&self, end: Duration) -> bool {
        self.next < self.load.range.end && self.due(self.next).is_some_and(|due| due < end)
    }

    /// Sends all that is due and has a free connection; says whether the run goes on sending.
    fn send_due(&mut self, now: Instant, end: Duration) -> bool {
        let since = now - self.begin;
        while self.next < self.load.range.end {
            let due = self.due(self.next).unwrap_or(since);
            if due >= end {
                return false;
            }
            if due > since {
                self.starved = false;
                break;
            }
            let Some(number) = self.free.pop_front() else {
                self.starved = true;
                break;
            };
            if !self.starved {
                self.measured.sent_late = self.measured.sent_late.max(since - due);
            }
            self.send(number, self.begin + due);
        }
        self.next < self.load.range.end && since < end
    }

    fn send(&mut self, number: usize, due: Instant) {
        let event = self.load.requests.order[self.next];
        self.next += 1;
        let due = if self.load.pace == Pace::Closed { Instant::now() } else { due };
        let slot = &mut self.slots[number];
        slot.flight = Some(Flight { event, due });
        self.in_flight += 1;
        let wire = &self.load.requests.events[event as usize].wire;
        let sent = slot.connection.as_mut().is_some_and(|connection| connection.send(wire).is_ok());
        if !sent {
            self.lose(number);
        }
    }

    fn wait(&mut self, events: &mut Vec<epoll::Event>, now: Instant) -> anyhow::Result<()> {
        let until_due = match self.due(self.next) {
            Some(due) if !self.free.is_empty() && self.next < self.load.range.end => {
                (self.begin + due).saturating_duration_since(now)
            }
            _ => TICK,
        };
        let timeout = Timespec::try_from(until_due.min(TICK))?;
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn ready(&mut self, event: epoll::Event, buffer: &mut [u8]) {
        let number = event.data.u64() as usize;
        let slot = &mut self.slots[number];
        let Some(connection) = slot.connection.as_mut() else { return };
        let flushed = connection.flush().is_ok();
        match connection.receive(buffer) {
            Progress::Answered(status) if flushed => self.answered(number, status),
            Progress::Waiting if flushed => {}
            _ => self.lose(number),
        }
    }

    fn answered(&mut self, number: usize, status: u16) {
        let Some(flight) = self.slots[number].flight.take() else { return self.lose(number) };
        self.in_flight -= 1;
        if status == 200 {
            let (due_ns, latency_ns) = (span(self.begin, flight.due), span(flight.due, Instant::now()));
            self.measured.samples.push(Sample { event: flight.event, due_ns, latency_ns });
        } else {
            *self.measured.refused.entry(status).or_default() += 1;
        }
        if self.slots[number].connection.as_ref().is_some_and(|connection| connection.closing) {
            self.slots[number].connection = None;
            self.down.push(number);
        } else {
            self.free.push_back(number);
        }
    }

    /// Notes that a connection has ended, and with it the request on it.
    fn lose(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        if slot.connection.take().is_none() {
            return;
        }
        if slot.flight.take().is_some() {
            self.in_flight -= 1;
            *self.measured.refused.entry(0).or_default() += 1;
        } else {
            self.free.retain(|free| *free != number);
        }
        self.down.push(number);
    }

    fn reconnect(&mut self) {
        for number in std::mem::take(&mut self.down) {
            match connect(self.load, &self.epoll, number, RECONNECT_TIMEOUT) {
                Ok(connection) => {
                    self.slots[number].connection = Some(connection);
                    self.free.push_back(number);
                }
                Err(_) => self.down.push(number),
            }
        }
    }

    fn finish(mut self) -> Measured {
        let (cpu_before, warm_at) = self.warm.unwrap_or((Duration::ZERO, self.begin));
        let measured_until = Instant::now();
        let busy = cpu_time().saturating_sub(cpu_before).as_secs_f64();
        let wall = (measured_until - warm_at).as_secs_f64().max(1e-9);
        let end = self.load.warm_up + self.load.length;
        while self.is_behind(end) {
            self.measured.unanswered += 1;
            self.next += 1;
        }
        self.measured.unanswered += self.in_flight;
        self.measured.next = self.next;
        self.measured.generator_cpu = busy / wall;
        self.measured.warm_up = self.load.warm_up;
        self.measured.elapsed = (measured_until - warm_at).min(self.load.length);
        self.measured
    }
}

fn connect(
    load: &Generator,
    epoll: &OwnedFd,
    number: usize,
    patience: Duration,
) -> anyhow::Result<Connection> {
    let connection = Connection::open(load.address, patience)?;
    let interest = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
    epoll::add(epoll, &connection.stream, epoll::EventData::new_u64(number as u64), interest)?;
    Ok(connection)
}

fn span(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time of the calling thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
