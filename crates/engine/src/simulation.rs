//! A seeded simulation: the real store, the real transitions and the real handlers, with death between any two
//! effects, duplicates, disorder, lost answers, panics and leases that end; then the promises are checked against
//! what truly happened outside.
//!
//! A failure prints its seed; `simulate(SEED)` in a test of one's own repeats it.

mod fate;
mod outside;
mod process;
mod retention;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use inlet_domain::{ClaimedJob, Clock, Job, JobFilter, JobKind, JobState, MediaState, PageRequest};
use inlet_store::{BulkAction, Store};
use serde_json::json;

use outside::{Deed, attachment};
use process::{DESTINATIONS, LEASE, Process, SHORT_LEASE, Surroundings};

const SEEDS: u64 = 30;
const STEPS: usize = 150;
const ALL: PageRequest = PageRequest { limit: 1_000, cursor: None };

/// One history.
struct Simulation {
    around: Surroundings,
    /// `None` between two lives.
    process: Option<Process>,
    /// Claimed and not run yet; some of them longer than their lease.
    held: Vec<ClaimedJob>,
    /// Everything Telnyx has to tell: id and body.
    events: BTreeMap<String, String>,
    /// Ids that were acknowledged.
    acknowledged: Vec<String>,
    /// Ids that Telnyx will send, or send again.
    to_send: Vec<String>,
    texts: usize,
    deaths: usize,
    /// Messages that were cut off when they may have gone out.
    cut_off: usize,
}

impl Simulation {
    async fn new(seed: u64) -> Self {
        let around = Surroundings::new(seed).await;
        let process = Process::start(&around).await;
        let simulation = Self {
            around,
            process: Some(process),
            held: Vec::new(),
            events: BTreeMap::new(),
            acknowledged: Vec::new(),
            to_send: Vec::new(),
            texts: 0,
            deaths: 0,
            cut_off: 0,
        };
        simulation.ordain_death();
        simulation
    }

    fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    fn ordain_death(&self) {
        self.process().fate.die_after(1 + self.around.chance.below(60));
    }

    async fn step(&mut self) {
        let survived = match self.around.chance.below(100) {
            0..15 => self.somebody_texts().await,
            15..30 => self.telnyx_sends().await,
            30..42 => {
                let limit = 1 + self.around.chance.below(5) as u32;
                self.process().survive(self.process().route(limit)).await.map(drop)
            }
            42..60 => self.claim().await,
            60..80 => self.run_some().await,
            80..85 => self.cut_off_a_message().await,
            85..88 => self.process().survive(self.give_back()).await,
            88..93 => self.time_passes().await,
            93..96 => self.process().survive(self.a_person_retries()).await,
            _ => self.receipts_are_due().await,
        };
        if survived.is_none() {
            self.reborn().await;
            self.ordain_death();
        }
        self.check_nothing_open_waits().await;
    }

    async fn reborn(&mut self) {
        self.deaths += 1;
        self.held.clear();
        // The old store goes without being closed.
        self.process = None;
        self.process = Some(Process::start(&self.around).await);
    }

    /// A new message; one time in six, Telnyx reports it under two event ids.
    async fn somebody_texts(&mut self) -> Option<()> {
        let number = self.texts;
        self.texts += 1;
        let copies = if self.around.chance.below(6) == 0 { 2 } else { 1 };
        let phone = format!("+1555000{:04}", self.around.chance.below(12));
        let media = if self.around.chance.percent(30) { vec![self.media_item(number)] } else { Vec::new() };
        for copy in 0..copies {
            let id = format!("e-{number}-{copy}");
            let payload = json!({
                "id": format!("message-{number}"),
                "direction": "inbound",
                "record_type": "message",
                "from": {"phone_number": phone},
                "to": [{"phone_number": "+15559876543"}],
                "text": format!("text {number}"),
                "media": media,
            });
            let event = json!({"id": id, "event_type": "message.received", "payload": payload});
            self.events.insert(id.clone(), json!({ "data": event }).to_string());
            self.to_send.push(id);
        }
        self.telnyx_sends().await
    }

    fn media_item(&self, number: usize) -> serde_json::Value {
        let name = number.to_string();
        let bytes = attachment(&name);
        let url = self.around.telnyx.join(&format!("m/{name}")).unwrap();
        json!({"url": url, "size": bytes.len(), "hash_sha256": sha256(&bytes)})
    }

    /// Telnyx sends any of what it has to send; what is not acknowledged it keeps, and some of the rest too.
    async fn telnyx_sends(&mut self) -> Option<()> {
        if self.to_send.is_empty() {
            return Some(());
        }
        let at = self.around.chance.below(self.to_send.len());
        let id = self.to_send[at].clone();
        let answer = self.process().survive(self.process().record(&id, &self.events[&id])).await?;
        if answer.is_ok() {
            self.acknowledged.push(id);
            if !self.around.chance.percent(20) {
                self.to_send.swap_remove(at);
            }
        }
        Some(())
    }

    async fn claim(&mut self) -> Option<()> {
        let limit = 1 + self.around.chance.below(3) as u32;
        let claimed = self.process().survive(self.process().claim(limit)).await?;
        self.held.extend(claimed);
        Some(())
    }

    /// Runs one of the claimed jobs, whichever, and another while the first is between two of its effects.
    async fn run_some(&mut self) -> Option<()> {
        let (first, second) = (self.take_held(), self.take_held());
        let run = async |job: Option<ClaimedJob>| {
            if let Some(job) = job {
                self.process().run(job).await;
            }
        };
        let steps = self.around.chance.below(6);
        let both = self.process().fate.interleave(steps, run(first), run(second));
        self.process().survive(both).await.map(drop)
    }

    /// Cuts a message off on its way: its handler's time is over, or the process ends before the answer is in.
    async fn cut_off_a_message(&mut self) -> Option<()> {
        let is_send = |job: &ClaimedJob| job.kind == JobKind::Send;
        let Some(at) = self.held.iter().position(is_send) else { return Some(()) };
        let job = self.held.swap_remove(at);
        let (steps, at_the_end) = (self.around.chance.below(4), self.around.chance.percent(50));
        let open_before = self.around.outside.ledger().open_or_sent.len();
        let process = self.process.as_mut().unwrap();
        process.shorten_lease(SHORT_LEASE);
        let cut = async |process: &Process| {
            if at_the_end { process.end_grace() } else { process.outlast_handlers().await }
        };
        let both = process.fate.interleave(steps, process.run(job), cut(process));
        let cut_off = process.survive(both).await;
        process.shorten_lease(LEASE);
        let left_open = self.around.outside.ledger().open_or_sent.len() > open_before;
        self.cut_off += usize::from(cut_off == Some(true) && left_open);
        cut_off.filter(|_| !at_the_end).map(drop)
    }

    fn take_held(&mut self) -> Option<ClaimedJob> {
        let held = self.held.len();
        (held > 0).then(|| self.held.swap_remove(self.around.chance.below(held)))
    }

    async fn give_back(&self) {
        let jobs = self.held.iter().map(|job| (job.id, job.fence)).collect();
        self.process().store.release(jobs).await.unwrap();
        // They stay in hand: running them later must have no effect on the books.
    }

    async fn time_passes(&mut self) -> Option<()> {
        let seconds = self.around.chance.below(2 * LEASE.as_secs() as usize) as u64;
        self.around.clock.advance(Duration::from_secs(seconds));
        let now = self.around.clock.now();
        self.process().survive(self.process().store.expire_leases(now)).await.map(drop)
    }

    async fn a_person_retries(&self) {
        let now = self.around.clock.now();
        let (filter, action) = (JobFilter::default(), BulkAction::Retry);
        self.process().store.change_jobs(filter, action, None, false, now).await.unwrap();
    }

    async fn receipts_are_due(&mut self) -> Option<()> {
        let receipts = std::mem::take(&mut self.around.outside.ledger().receipts);
        for (id, body) in receipts {
            self.events.insert(id.clone(), body);
            self.to_send.push(id);
        }
        Some(())
    }

    /// Nothing fails any more: everything comes to its end.
    async fn settle(&mut self) {
        self.process().fate.live();
        self.around.outside.always(Deed::Do);
        for _ in 0..500 {
            self.receipts_are_due().await;
            for id in std::mem::take(&mut self.to_send) {
                self.process().record(&id, &self.events[&id]).await.unwrap();
                self.acknowledged.push(id);
            }
            while self.process().route(100).await {}
            self.around.clock.advance(Duration::from_secs(3_600));
            self.process().store.expire_leases(self.around.clock.now()).await.unwrap();
            let mut jobs = std::mem::take(&mut self.held);
            jobs.extend(self.process().claim(50).await);
            if jobs.is_empty() && self.around.outside.ledger().receipts.is_empty() {
                return;
            }
            for job in jobs {
                self.process().run(job).await;
            }
        }
        panic!("work never ends");
    }

    async fn check(&self) {
        self.check_events().await;
        self.check_deliveries().await;
        self.check_messages().await;
        self.check_media().await;
    }

    /// Each acknowledged event is stored once, byte for byte, and routed.
    async fn check_events(&self) {
        let store = &self.process().store;
        let stored = store.events(Default::default(), ALL).await.unwrap().data;
        for id in &self.acknowledged {
            assert_eq!(stored.iter().filter(|event| event.id == *id).count(), 1, "event {id}");
            let body = store.event_body(id).await.unwrap().unwrap();
            assert_eq!(body, self.events[id].as_bytes(), "event {id}");
        }
        assert_eq!(store.backlog().await.unwrap().1, 0, "everything is routed");
        assert!(stored.iter().all(|event| event.readable && event.event_type.is_some()));
    }

    /// Each event has reached each destination, or is a dead letter that says why.
    async fn check_deliveries(&self) {
        let taken = self.around.outside.ledger().taken.clone();
        for id in &self.acknowledged {
            let filter = JobFilter { event_id: Some(id.clone()), ..JobFilter::default() };
            let jobs = self.process().store.jobs(filter, ALL).await.unwrap().data;
            for name in DESTINATIONS {
                let its_jobs: Vec<_> =
                    jobs.iter().filter(|job| job.destination.as_deref() == Some(name)).collect();
                let [job] = its_jobs[..] else { panic!("event {id} has {} jobs for {name}", its_jobs.len()) };
                let times = taken.get(&(name.to_owned(), id.clone())).copied().unwrap_or(0);
                match job.state {
                    JobState::Done => assert!(times >= 1, "event {id} never reached {name}"),
                    JobState::Dead => assert!(job.last_error.is_some(), "event {id} at {name}"),
                    state => panic!("event {id} at {name} is {state}"),
                }
            }
        }
    }

    /// Each inbound message was answered at most once, and the books say so.
    async fn check_messages(&self) {
        let replies = self.process().store.replies(ALL).await.unwrap().data;
        let ledger = self.around.outside.ledger();
        assert_eq!(ledger.asked_again, Vec::<String>::new(), "asked again without knowing");
        let mut jobs_of: HashMap<String, usize> = HashMap::new();
        for job in &replies {
            let text = answered_text(job);
            *jobs_of.entry(text.clone()).or_default() += 1;
            let sent = ledger.sent.get(&text).copied().unwrap_or(0);
            assert!(sent <= 1, "`{text}` was sent {sent} times");
            // All receipts are in by now, so whatever was sent has been proven.
            let expected = if sent == 1 { &[JobState::Done][..] } else { &UNSENT[..] };
            assert!(expected.contains(&job.state), "`{text}`, sent {sent} times, is {}", job.state);
            if ledger.open_or_sent.contains(&text) {
                assert!(SENT_OR_OPEN.contains(&job.state), "`{text}` may have gone out and is {}", job.state);
            }
        }
        assert!(jobs_of.values().all(|jobs| *jobs == 1), "one reply for each message: {jobs_of:?}");
    }

    /// A message that may have gone out never waits to be sent again, unless a person says so; here nobody does.
    async fn check_nothing_open_waits(&self) {
        let replies = self.process().store.replies(ALL).await.unwrap().data;
        let ledger = self.around.outside.ledger();
        for job in replies.iter().filter(|job| job.state == JobState::Waiting) {
            let text = answered_text(job);
            assert!(!ledger.open_or_sent.contains(&text), "`{text}` may have gone out and waits: {job:?}");
        }
    }

    /// Each attachment is archived, or is a dead letter that says why.
    async fn check_media(&self) {
        let store = &self.process().store;
        for message in store.messages(Default::default(), ALL).await.unwrap().data {
            for media in message.media {
                let name = message.id.trim_start_matches("message-");
                match media.state {
                    MediaState::Archived => {
                        let bytes = self.process().blobs.get(&sha256(&attachment(name))).await.unwrap();
                        assert_eq!(bytes.unwrap(), attachment(name));
                    }
                    MediaState::Dead => {
                        let kind = Some(JobKind::FetchMedia);
                        let filter =
                            JobFilter { kind, message_id: Some(message.id.clone()), ..Default::default() };
                        let job = store.jobs(filter, ALL).await.unwrap().data.remove(0);
                        assert!(job.state == JobState::Dead && job.last_error.is_some());
                    }
                    state => panic!("attachment of {} is {state}", message.id),
                }
            }
        }
    }
}

const UNSENT: [JobState; 3] = [JobState::Dead, JobState::Skipped, JobState::Unknown];
const SENT_OR_OPEN: [JobState; 2] = [JobState::Done, JobState::Unknown];

/// What a reply says: texts are unique.
fn answered_text(reply: &Job) -> String {
    let number = reply.event_id.as_deref().and_then(|id| id.split('-').nth(1)).unwrap();
    format!("answer to text {number}")
}

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says which seed it was.
struct PrintSeed(u64);

impl Drop for PrintSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("simulation failed with seed {}", self.0);
        }
    }
}

/// What a history held, so that a test can see that it was not empty.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    events: usize,
    deaths: usize,
    sent: usize,
    cut_off: usize,
}

fn simulate(seed: u64) -> Tally {
    let _print = PrintSeed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut simulation = Simulation::new(seed).await;
        for _ in 0..STEPS {
            simulation.step().await;
        }
        simulation.settle().await;
        simulation.check().await;
        let sent = simulation.around.outside.ledger().sent.len();
        let Simulation { acknowledged, deaths, cut_off, .. } = &simulation;
        Tally { events: acknowledged.len(), deaths: *deaths, sent, cut_off: *cut_off }
    })
}

#[test]
fn promises_hold_whenever_the_process_dies_and_whatever_fails() {
    let mut total = Tally::default();
    for seed in 0..SEEDS {
        let tally = simulate(seed);
        total.events += tally.events;
        total.deaths += tally.deaths;
        total.sent += tally.sent;
        total.cut_off += tally.cut_off;
    }
    let seeds = SEEDS as usize;
    assert!(total.events > 10 * seeds && total.deaths > 2 * seeds && total.sent > 2 * seeds, "{total:?}");
    assert!(total.cut_off > seeds / 3, "{total:?}");
}

#[test]
fn a_seed_is_one_history() {
    assert_eq!(simulate(7), simulate(7));
}

/// The state and the last error of each job.
async fn states(process: &Process) -> Vec<(JobKind, JobState, String)> {
    let jobs = process.store.jobs(JobFilter::default(), ALL).await.unwrap().data;
    jobs.into_iter().map(|job| (job.kind, job.state, job.last_error.unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_panic_is_one_failed_attempt_of_one_job() {
    let around = Surroundings::new(1).await;
    around.outside.always(Deed::Do);
    let process = Process::start(&around).await;
    for id in ["poison", "bread"] {
        process.record(id, &format!(r#"{{"data":{{"id":"{id}","event_type":"x"}}}}"#)).await.unwrap();
    }
    process.route(10).await;
    for job in process.claim(10).await {
        process.run(job).await;
    }
    let states = states(&process).await;
    let waiting = states.iter().filter(|(_, state, _)| *state == JobState::Waiting);
    assert!(waiting.clone().all(|(_, _, error)| error.contains("panicked")));
    assert_eq!((waiting.count(), states.len()), (2, 4));
}

#[tokio::test]
async fn a_handler_that_outlives_its_lease_is_cut_off_and_its_message_is_unknown() {
    let around = Surroundings::new(1).await;
    around.outside.always(Deed::Hang);
    let mut process = Process::start(&around).await;
    process.shorten_lease(Duration::from_millis(300));
    let payload = json!({"id": "m", "direction": "inbound", "from": "+15550001111", "to": "+15559876543",
                         "text": "hi"});
    let event = json!({"id": "e", "event_type": "message.received", "payload": payload});
    process.record("e", &json!({ "data": event }).to_string()).await.unwrap();
    process.route(10).await;
    for job in process.claim(10).await {
        process.run(job).await;
    }
    for (kind, state, error) in states(&process).await {
        let expected = if kind == JobKind::Send { JobState::Unknown } else { JobState::Waiting };
        assert_eq!(state, expected, "{kind}: {error}");
        assert!(error.contains("did not end"), "{kind}: {error}");
    }
}
