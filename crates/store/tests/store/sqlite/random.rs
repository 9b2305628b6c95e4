//! Random operations in random order, restarts among them: what must hold between the tables holds, and all work can
//! be brought to its end.

use std::path::Path;
use std::sync::Arc;

use inlet_domain::{ClaimedJob, JobFilter, JobId, JobState, Lane, NewReplay, Outcome, StoredMedia};
use inlet_store::{BulkAction, ClaimLane, SendDecision, SqliteStore, Store};
use proptest::prelude::*;

use super::config;
use crate::conformance::world::{World, accepted, at, attempt, crm, destination, inbound_mms, receipt};

#[derive(Debug, Clone)]
enum Step {
    Text(u8),
    Repeat,
    Picture,
    Garbage,
    Receipt,
    Route,
    Claim(u8, u8),
    Finish(u8),
    Release,
    Wait(u8),
    Change(u8, bool),
    Pause,
    Resume,
    Replay,
    Advance,
    Behind,
    Purge,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u8..3).prop_map(Step::Text),
        1 => Just(Step::Repeat),
        1 => Just(Step::Picture),
        1 => Just(Step::Garbage),
        1 => Just(Step::Receipt),
        4 => Just(Step::Route),
        6 => (0u8..3, 1u8..4).prop_map(|(lane, limit)| Step::Claim(lane, limit)),
        8 => any::<u8>().prop_map(Step::Finish),
        1 => Just(Step::Release),
        2 => (0u8..60).prop_map(Step::Wait),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(job, retry)| Step::Change(job, retry)),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
        1 => Just(Step::Replay),
        2 => Just(Step::Advance),
        2 => Just(Step::Behind),
        1 => Just(Step::Purge),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..80)
}

/// A store under random operations.
struct Run<'a> {
    path: &'a Path,
    sqlite: Arc<SqliteStore>,
    world: World,
    held: Vec<ClaimedJob>,
    now: i64,
    made: usize,
}

async fn open_world(path: &Path) -> (Arc<SqliteStore>, World) {
    let store = Arc::new(SqliteStore::open(config(path)).await.unwrap());
    let mut world = World::new(Arc::clone(&store) as Arc<dyn Store>, ()).with_reply();
    world.destinations.push(destination("ordered"));
    (store, world)
}

fn lane(number: u8) -> ClaimLane {
    let lane = match number {
        0 => Lane::Destination("ordered".to_owned()),
        1 => crm(),
        _ => Lane::Media,
    };
    ClaimLane { lane, limit: 4, ordered: number == 0 }
}

impl Run<'_> {
    async fn step(&mut self, step: Step) {
        match step {
            Step::Text(party) => self.text(party).await,
            Step::Repeat => self.world.text("0", "hi").await,
            Step::Picture => {
                let body = inbound_mms(&format!("p{}", self.next()), &["https://x.example/1"]);
                self.world.record(&format!("e-p{}", self.made), body).await;
            }
            Step::Garbage => {
                let id = format!("e-g{}", self.next());
                self.world.record(&id, b"\xff".to_vec()).await;
            }
            Step::Receipt => self.receipt().await,
            Step::Route => {
                self.world.route_at(self.now).await;
            }
            Step::Claim(number, limit) => {
                let wanted = ClaimLane { limit: u32::from(limit), ..lane(number) };
                self.held.extend(self.world.claim_lane(wanted, self.now).await);
                self.held.extend(self.world.claim(Lane::Send, 1, self.now).await);
            }
            Step::Finish(choice) => self.finish(choice).await,
            Step::Release => {
                let jobs = self.held.drain(..).map(|job| (job.id, job.fence)).collect();
                self.world.release(jobs).await.unwrap();
            }
            Step::Wait(seconds) => {
                self.now += i64::from(seconds);
                self.world.expire_leases(at(self.now)).await.unwrap();
            }
            Step::Change(job, retry) => self.change(job, retry).await,
            Step::Pause => self.world.pause_destination("ordered", "test", at(self.now)).await.unwrap(),
            Step::Resume => {
                self.world.resume_destination("ordered", at(self.now)).await.unwrap();
            }
            Step::Replay => {
                let new = NewReplay { destination: "ordered".to_owned(), filter: <_>::default() };
                self.world.start_replay(new, 0, at(self.now)).await.unwrap();
            }
            Step::Advance => {
                self.world.advance_replays(self.world.router(), 3, at(self.now)).await.unwrap();
            }
            Step::Behind => {
                self.world.advance_behind(2).await.unwrap();
            }
            Step::Purge => {
                self.world.purge_messages(at(self.now), 0, 3).await.unwrap();
                self.world.purge_events(at(self.now), 0, 3).await.unwrap();
            }
            Step::Restart => self.restart().await,
        }
    }

    fn next(&mut self) -> usize {
        self.made += 1;
        self.made
    }

    async fn text(&mut self, party: u8) {
        let name = self.next().to_string();
        self.world.text_from(&format!("+1555000100{party}"), &name, &format!("text {name}")).await;
    }

    async fn receipt(&mut self) {
        let keys = self.held.iter().filter_map(|job| job.send.as_ref());
        let Some(key) = keys.map(|(key, _)| key.0.clone()).next() else { return };
        let name = format!("r{}", self.next());
        self.world.record(&format!("e-{name}"), receipt(&name, &key)).await;
    }

    /// Ends a held job somehow. A lost lease is a fine answer: others may have had it meanwhile.
    async fn finish(&mut self, choice: u8) {
        if self.held.is_empty() {
            return;
        }
        let job = self.held.remove(usize::from(choice) % self.held.len());
        let outcome = if job.send.is_some() {
            let until = at(self.now + 30);
            let limits = Arc::new(crate::conformance::world::limits());
            match self.world.store.begin_send(job.id, job.fence, at(self.now), until, limits).await {
                Ok(SendDecision::Go) => self.send_outcome(choice),
                Ok(SendDecision::Skipped(_) | SendDecision::AlreadySent) | Err(_) => return,
            }
        } else {
            self.outcome(&job, choice)
        };
        let attempt = attempt(&job, &outcome, self.now);
        let _ = self.world.store.finish_attempt(job.id, job.fence, attempt, outcome).await;
    }

    fn outcome(&self, job: &ClaimedJob, choice: u8) -> Outcome {
        let stored = StoredMedia { sha256: "0".repeat(64), size_bytes: 1, content_type: "a/b".to_owned() };
        match choice % 5 {
            0 | 1 if job.media.is_some() => Outcome::Archived(stored),
            0 | 1 => Outcome::Done,
            2 => Outcome::Retry { due_at: at(self.now + 20) },
            3 => Outcome::Dead,
            _ => Outcome::DeadAndPause { reason: "410 Gone".to_owned() },
        }
    }

    fn send_outcome(&mut self, choice: u8) -> Outcome {
        match choice % 5 {
            0 | 1 => Outcome::Sent(Box::new(accepted(&format!("s{}", self.next())))),
            2 => Outcome::Retry { due_at: at(self.now + 20) },
            3 => Outcome::Unknown,
            _ => Outcome::DeadOptedOut,
        }
    }

    async fn change(&mut self, job: u8, retry: bool) {
        let action = if retry { BulkAction::Retry } else { BulkAction::Discard };
        self.world.change_job(JobId(i64::from(job) % 40 + 1), action, at(self.now)).await.unwrap();
    }

    async fn restart(&mut self) {
        self.sqlite.close().await;
        (self.sqlite, self.world) = open_world(self.path).await;
        self.world.recover_leases(at(self.now)).await.unwrap();
    }

    /// Everything that waits comes to its end: nothing is blocked for ever.
    async fn drain(&mut self) {
        self.world.resume_destination("ordered", at(self.now)).await.unwrap();
        self.world.resume_destination("crm", at(self.now)).await.unwrap();
        self.world.route_at(self.now).await;
        while self.world.advance_replays(self.world.router(), 100, at(self.now)).await.unwrap() {}
        self.now += 1_000;
        self.world.expire_leases(at(self.now)).await.unwrap();
        loop {
            let mut jobs = Vec::new();
            for number in 0..3 {
                jobs.extend(self.world.claim_lane(lane(number), self.now).await);
            }
            if jobs.is_empty() {
                break;
            }
            for job in jobs {
                let outcome = self.outcome(&job, 0);
                self.world.finish(&job, outcome, self.now).await;
            }
        }
    }
}

async fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.db");
    let (sqlite, world) = open_world(&path).await;
    let mut run = Run { path: &path, sqlite, world, held: Vec::new(), now: 0, made: 0 };
    for step in steps {
        run.step(step).await;
    }
    assert_eq!(SqliteStore::check(&path).await.unwrap(), [""; 0]);
    run.drain().await;
    for name in ["crm", "ordered"] {
        for state in [JobState::Waiting, JobState::Running] {
            let destination = Some(name.to_owned());
            let left = JobFilter { destination, state: Some(state), ..JobFilter::default() };
            assert_eq!(run.world.count(left).await, 0, "{name} {state}");
        }
    }
    run.sqlite.close().await;
    assert_eq!(SqliteStore::check(&path).await.unwrap(), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_keep_every_invariant_and_end(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
