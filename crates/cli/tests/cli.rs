//! The command line as a user meets it: real processes, their output and their exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use inlet_telnyx::SigningKey;
use serde_json::Value;
use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(20);
const FREE: &str = "127.0.0.1:0";

fn inlet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inlet"));
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    inlet(folder).args(arguments).output().unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// A process that stays; killed when dropped.
struct Running {
    child: Child,
    ready: Value,
}

impl Running {
    /// Starts a prepared command and waits for its ready file.
    fn start(folder: &Path, mut command: Command) -> Self {
        // One that a killed process has left would be taken for this one's.
        let _ = std::fs::remove_file(folder.join("ready.json"));
        let log = std::fs::File::create(folder.join("log")).unwrap();
        command.args(["--ready-file", "ready.json"]).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        let ready = until(|| {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(folder.join("log")).unwrap());
            let text = std::fs::read(folder.join("ready.json")).ok()?;
            Some(serde_json::from_slice(&text).unwrap())
        });
        Self { child, ready }
    }

    fn address(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), pid]).status().unwrap().success());
    }

    fn ended(&mut self) -> i32 {
        until(|| self.child.try_wait().unwrap()).code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < BOUND, "nothing within {BOUND:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn serve(folder: &Path) -> Command {
    let mut command = inlet(folder);
    command.args(["serve", "--webhooks-listen", FREE, "--admin-listen", FREE]);
    command.env("TELNYX_PUBLIC_KEY", key().public().to_base64());
    command
}

#[test]
fn help_ends_with_the_exit_codes() {
    let output = run(folder().path(), &["--help"]);
    assert_eq!(code(&output), 0);
    assert!(out(&output).contains("Exit codes:\n    0  fine\n    1  a bug in inlet\n"), "{}", out(&output));
}

#[test]
fn wrong_arguments_are_a_usage_error() {
    let folder = folder();
    for arguments in
        [&["frob"][..], &["dead", "retry"], &["dead", "retry", "1", "--all"], &["text", "a", "b"]]
    {
        assert_eq!(code(&run(folder.path(), arguments)), 2, "{arguments:?}");
    }
}

#[test]
fn nobody_at_the_address_is_told_with_a_remedy() {
    let output = run(folder().path(), &["messages", "list", "--url", "http://127.0.0.1:9"]);
    assert_eq!(code(&output), 6);
    assert!(
        err(&output).starts_with("error: the gateway at http://127.0.0.1:9/ is not reachable\n  start one")
    );
}

#[test]
fn the_reference_is_a_configuration_that_lacks_only_the_key() {
    let folder = folder();
    let reference = out(&run(folder.path(), &["config", "default"]));
    std::fs::write(folder.path().join("inlet.toml"), reference).unwrap();
    let output = run(folder.path(), &["config", "check"]);
    assert_eq!(code(&output), 8);
    assert!(err(&output).starts_with("error: no public key is configured"), "{}", err(&output));
    let mut with_key = inlet(folder.path());
    with_key.args(["config", "check"]).env("TELNYX_PUBLIC_KEY", key().public().to_base64());
    assert_eq!(code(&with_key.output().unwrap()), 0);
}

#[test]
fn check_tells_all_that_is_wrong() {
    let folder = folder();
    std::fs::write(folder.path().join("inlet.toml"), "[webhooks]\nlisen = \"x\"\n[admin]\nlisten = \"y\"\n")
        .unwrap();
    let mut command = inlet(folder.path());
    command.args(["config", "check"]).env("INLET_STORE__URL", "postgres://db");
    let output = command.output().unwrap();
    assert_eq!(code(&output), 8);
    insta::assert_snapshot!(err(&output), @r"
    error: inlet.toml line 2: `webhooks.lisen` is not a setting; did you mean `webhooks.listen`?
    error: inlet.toml line 4: `admin.listen`: `y` is not an address to listen on: an IP address and a port, as in 127.0.0.1:5000
    error: INLET_STORE__URL: `store.url`: PostgreSQL is not supported yet; use SQLite, as in sqlite:inlet-data/inlet.db
      `inlet config default` prints every setting and what it means
    ");
}

#[test]
fn show_hides_secrets() {
    let folder = folder();
    let mut command = inlet(folder.path());
    command
        .args(["config", "show"])
        .env("TELNYX_API_KEY", "KEYcanary")
        .env("INLET_ADMIN__TOKEN", "canary-canary-canary");
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0);
    assert!(!out(&output).contains("canary") && out(&output).contains("api_key"), "{}", out(&output));
}

#[test]
fn a_captured_request_is_explained() {
    let folder = folder();
    let body = b"{\"data\": {}}";
    std::fs::write(folder.path().join("body"), body).unwrap();
    let signature = format!("Telnyx-Signature-Ed25519: {}", key().sign(1_700_000_000, body));
    let public_key = key().public().to_base64();
    let verify = |more: &[&str]| {
        let headers = ["--header", &signature, "--header", "telnyx-timestamp: 1700000000"];
        let fixed = ["events", "verify", "--public-key", &public_key];
        let mut command = inlet(folder.path());
        command.args(fixed).args(headers).args(more);
        command
    };
    let good = verify(&["--body", "body", "--now", "1700000300"]).output().unwrap();
    assert_eq!(code(&good), 0, "{}", err(&good));
    let late = verify(&["--body", "body", "--now", "1700000301"]).output().unwrap();
    assert_eq!(code(&late), 3);
    assert!(err(&late).contains("(timestamp_stale)"), "{}", err(&late));
    let mut piped = verify(&["--body", "-", "--now", "1700000000", "--json"]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"data\": {}}\n").unwrap();
    let piped = child.wait_with_output().unwrap();
    assert_eq!(code(&piped), 3);
    let report: Value = serde_json::from_str(&out(&piped)).unwrap();
    assert_eq!((&report["verifies"], &report["code"]), (&Value::Bool(false), &"signature_mismatch".into()));
    assert!(report["hint"].as_str().unwrap().contains("line ends around the body"), "{report}");
}

#[test]
fn a_database_is_made_migrated_and_checked() {
    let folder = folder();
    let missing = run(folder.path(), &["db", "check"]);
    assert_eq!(code(&missing), 9, "{}", err(&missing));
    assert!(!folder.path().join("inlet-data").exists(), "a check makes nothing");
    assert_eq!(code(&run(folder.path(), &["db", "migrate"])), 0);
    let checked = run(folder.path(), &["db", "check"]);
    assert_eq!((code(&checked), out(&checked).as_str()), (0, "database inlet-data/inlet.db is fine\n"));
    std::fs::write(folder.path().join("inlet-data/inlet.db"), "something else, and longer than a header")
        .unwrap();
    assert_eq!(code(&run(folder.path(), &["db", "check"])), 9);
}

#[test]
fn serve_refuses_what_is_not_safe() {
    let folder = folder();
    let without_key = run(folder.path(), &["serve"]);
    assert_eq!(code(&without_key), 8);
    assert!(err(&without_key).contains("TELNYX_PUBLIC_KEY"), "{}", err(&without_key));
    let mut open = serve(folder.path());
    open.env("INLET_ADMIN__LISTEN", "127.0.0.1:0").args(["--admin-listen", "0.0.0.0:0"]);
    assert_eq!(code(&open.output().unwrap()), 2, "a flag twice is a mistake");
    let mut open = inlet(folder.path());
    open.args(["serve", "--admin-listen", "0.0.0.0:0"]).env("TELNYX_PUBLIC_KEY", key().public().to_base64());
    let open = open.output().unwrap();
    assert_eq!(code(&open), 8);
    assert!(err(&open).contains("token"), "{}", err(&open));
}

#[test]
fn serve_tells_its_addresses_and_ends_on_a_signal() {
    let folder = folder();
    let mut running = Running::start(folder.path(), serve(folder.path()));
    let mode = std::fs::metadata(folder.path().join("ready.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(running.address("webhooks").ends_with("/webhooks"));
    assert!(running.ready.get("sandbox").is_none() && running.ready.get("api_key").is_none());
    running.signal("TERM");
    assert_eq!(running.ended(), 0);
    assert_eq!(code(&run(folder.path(), &["db", "check"])), 0);
}

#[test]
fn a_second_gateway_is_told_what_is_in_its_way() {
    let (one, other) = (folder(), folder());
    let running = Running::start(one.path(), serve(one.path()));
    let locked = serve(one.path()).output().unwrap();
    assert_eq!(code(&locked), 9, "{}", err(&locked));
    let taken = running.address("admin").trim_start_matches("http://");
    let mut command = inlet(other.path());
    command.args(["serve", "--webhooks-listen", FREE, "--admin-listen", taken]);
    let taken = command.env("TELNYX_PUBLIC_KEY", key().public().to_base64()).output().unwrap();
    assert_eq!(code(&taken), 10, "{}", err(&taken));
    assert!(err(&taken).contains("--admin-listen"), "{}", err(&taken));
}

#[test]
fn the_token_is_asked_for_and_never_printed() {
    let folder = folder();
    let token = "canary-of-a-token-0123";
    std::fs::write(folder.path().join("token"), format!("{token}\n")).unwrap();
    let mut command = serve(folder.path());
    command.env("INLET_ADMIN__TOKEN_FILE", "token").env("INLET_LOG", "trace");
    let running = Running::start(folder.path(), command);
    let ask = |variable: Option<(&str, &str)>| {
        let mut command = inlet(folder.path());
        command.args(["events", "list", "--url", running.address("admin")]).envs(variable);
        command.output().unwrap()
    };
    let without = ask(None);
    assert_eq!(code(&without), 11, "{}", err(&without));
    assert_eq!(code(&ask(Some(("INLET_TOKEN", "wrong-wrong-wrong")))), 11);
    assert_eq!(code(&ask(Some(("INLET_TOKEN", token)))), 0);
    assert_eq!(code(&ask(Some(("INLET_TOKEN_FILE", "token")))), 0);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("canary"), "the token is in the log");
}

#[test]
fn dev_needs_nothing_and_ignores_the_real_account() {
    let folder = folder();
    let mut command = inlet(folder.path());
    command.args(["dev", "--webhooks-listen", FREE, "--admin-listen", FREE, "--sandbox-listen", FREE]);
    command.env("TELNYX_PUBLIC_KEY", "not a key").env("TELNYX_BASE_URL", "not a URL");
    let running = Running::start(folder.path(), command);
    let (sandbox, admin) = (running.address("sandbox"), running.address("admin"));
    let number = running.ready["numbers"][0].as_str().unwrap();
    assert_eq!(number, "+15559876543");

    let text = ["text", "+15551234567", number, "Hello", "--sandbox-url", sandbox];
    let answered = inlet(folder.path()).args(text).arg("--wait").output().unwrap();
    assert_eq!(
        (code(&answered), out(&answered).as_str()),
        (0, "Thanks for your text. We will get back to you soon.\n")
    );
    let mut hasty = inlet(folder.path());
    hasty.args(["text", "+15551234567", "+15550000000", "Hello", "--sandbox-url", sandbox]);
    let unknown = hasty.output().unwrap();
    assert_eq!(code(&unknown), 7, "{}", err(&unknown));

    let messages = run(folder.path(), &["messages", "list", "--json", "--limit", "0", "--url", admin]);
    let messages: Vec<Value> =
        out(&messages).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[1]["text"], "Hello");
    let missing = run(folder.path(), &["jobs", "show", "999", "--url", admin]);
    assert_eq!(code(&missing), 5);
}

#[test]
fn no_reply_in_time_is_told() {
    let folder = folder();
    let mut command = inlet(folder.path());
    command.args(["sandbox", "--listen", FREE, "--seed", "one"]);
    let running = Running::start(folder.path(), command);
    let text = ["text", "+15551234567", "+15559876543", "Hello", "--wait", "--timeout", "1ms"];
    let output =
        inlet(folder.path()).args(text).args(["--sandbox-url", running.address("sandbox")]).output().unwrap();
    assert_eq!(code(&output), 4, "{}", err(&output));
    let first = running.ready["public_key"].clone();
    drop(running);
    let mut command = inlet(folder.path());
    command.args(["sandbox", "--listen", FREE, "--seed", "one"]);
    assert_eq!(
        Running::start(folder.path(), command).ready["public_key"],
        first,
        "equal seeds give equal keys"
    );
}

#[test]
fn a_sandbox_that_others_reach_by_name_is_ready_at_its_own_address() {
    let folder = folder();
    let mut command = inlet(folder.path());
    command.args(["sandbox", "--listen", FREE, "--public-url", "http://sandbox.invalid:5002"]);
    let running = Running::start(folder.path(), command);
    assert!(running.address("sandbox").starts_with("http://127.0.0.1:"), "{}", running.address("sandbox"));
}

#[test]
fn the_sandbox_misbehaves_as_its_flags_say_and_keeps_its_state() {
    let folder = folder();
    let flags = [
        "sandbox",
        "--listen",
        FREE,
        "--fault",
        "api_status status=429 count=1",
        "--fault",
        "webhook_drop probability=0.5 number=+15551234567",
        "--preset",
        "runbook",
        "--state",
        "state.json",
    ];
    let start = || {
        let mut command = inlet(folder.path());
        command.args(flags);
        Running::start(folder.path(), command)
    };
    let first = start();
    let second = run(folder.path(), &flags);
    assert_eq!(code(&second), 8);
    assert!(err(&second).contains("in use by another sandbox"), "{}", err(&second));
    let key = first.ready["api_key"].clone();
    drop(first);
    assert_eq!(start().ready["api_key"], key, "killed or not, it goes on");
    let seeded = run(folder.path(), &[&flags[..], &["--seed", "other"]].concat());
    assert_eq!(code(&seeded), 8);
    assert!(err(&seeded).contains("was begun with another seed"), "{}", err(&seeded));
    std::fs::write(folder.path().join("state.json"), "{").unwrap();
    let broken = run(folder.path(), &flags);
    assert_eq!(code(&broken), 8);
    assert!(err(&broken).contains("the state file `state.json` is broken"), "{}", err(&broken));
    assert!(err(&broken).contains("move the file away"), "{}", err(&broken));
    let wrong = run(folder.path(), &["sandbox", "--fault", "webhook_flood"]);
    assert_eq!(code(&wrong), 8);
    assert!(err(&wrong).contains("webhook_flood"), "{}", err(&wrong));
}
