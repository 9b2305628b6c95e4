//! Tests of the layers and of what is refused.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;

const KEY: &str = "J69a4aNUspJZpnR9qg40apSrnBCcgbrrAdRE8fidrQo=";

fn load(file: &str, variables: Environment) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inlet.toml");
    std::fs::write(&path, file).unwrap();
    let sources = Sources { file: Some(path.clone()), environment: variables, flags: Vec::new() };
    let folder = format!("{}/", folder.path().display());
    Config::load(&sources).map_err(|failure| failure.to_string().replace(&folder, ""))
}

fn refused(file: &str) -> String {
    load(file, Environment::default()).map(|_| ()).unwrap_err()
}

/// The reference with every setting that is commented out put in force.
fn whole_reference() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    REFERENCE.lines().map(|line| uncomment(line) + "\n").collect()
}

#[test]
fn an_empty_file_gives_the_defaults_of_the_reference() {
    let config = load("", Environment::default()).unwrap();
    assert_eq!(config.webhooks.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(config.webhooks.path, "/webhooks");
    assert_eq!(config.webhooks.tolerance.as_secs(), inlet_telnyx::DEFAULT_TOLERANCE_SECONDS);
    assert_eq!(config.webhooks.max_connections, 10_000);
    assert_eq!(config.webhooks.max_connections_per_ip, None);
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:5001");
    assert_eq!(config.sandbox.listen.to_string(), "127.0.0.1:5002");
    assert_eq!(config.sandbox.numbers[0].as_str(), "+15559876543");
    assert_eq!(config.store_path, Path::new("inlet-data/inlet.db"));
    assert_eq!(config.media.url, "file:inlet-data/media");
    assert_eq!(config.media.max_bytes, 10 << 20);
    assert_eq!(config.retention.jobs, Some(Duration::from_hours(30 * 24)));
    assert_eq!((config.retention.events, config.retention.messages), (None, None));
    assert!(config.destinations.is_empty() && config.replies.is_empty());
}

#[test]
fn retention_that_would_make_the_guard_forget_is_refused() {
    let told = |retention: &str, rules: &str| {
        let config = load(&format!("[retention]\n{retention}\n{rules}"), Environment::default()).unwrap();
        config.check_for_serve().map_or_else(|failure| failure.to_string(), |()| String::new())
    };
    let rule = "[[replies]]\nname = \"hours\"\ntext = \"9 to 5\"\ncooldown = \"60d\"\n";
    let by_default = told("", rule);
    assert!(by_default.contains("`retention.jobs` is shorter than the `cooldown` of the reply `hours`"));
    let short = told("jobs = \"forever\"\nmessages = \"5m\"", rule);
    assert!(short.contains("`retention.messages` is shorter than the ten minutes"), "{short}");
    assert!(!told("jobs = \"60d\"\nmessages = \"10m\"", rule).contains("retention"));
    assert!(!told("jobs = \"1s\"\nmessages = \"1s\"", "").contains("retention"));
}

#[test]
fn the_reference_names_every_setting_once() {
    let reference = whole_reference();
    let table: toml::Table = reference.parse().unwrap();
    for section in schema::SECTIONS {
        let known: BTreeSet<&str> = section.keys.iter().map(|key| key.name).collect();
        let named = table[section.name].as_table().unwrap();
        assert_eq!(named.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "[{}]", section.name);
    }
    for entry in schema::ENTRIES {
        let known: BTreeSet<&str> = entry.keys.iter().map(|key| key.name).collect();
        let named = table[entry.name][0].as_table().unwrap();
        assert_eq!(named.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "[[{}]]", entry.name);
    }
}

#[test]
fn the_examples_of_the_reference_show_the_defaults() {
    let given = |line: &str| !line.starts_with("secret") && !line.contains("_file");
    let reference = whole_reference();
    let examples = &reference[reference.find("[[destinations]]").unwrap()..];
    let examples: String =
        examples.lines().filter(|line| given(line)).map(|line| format!("{line}\n")).collect();
    let bare = "[[destinations]]\nname = \"crm\"\nurl = \"https://crm.example.com/hooks/texts\"\n\
                [[replies]]\nname = \"hours\"\ntext = \"We are open 9 to 5, {{ from }}.\"\n";
    let (full, bare) =
        (load(&examples, Environment::default()).unwrap(), load(bare, Environment::default()).unwrap());
    let (one, other) = (&full.destinations[0].destination, &bare.destinations[0].destination);
    assert_eq!((&one.events, &one.format, &one.retry), (&other.events, &other.format, &other.retry));
    assert_eq!(
        (one.timeout, one.concurrency, one.ordered),
        (other.timeout, other.concurrency, other.ordered)
    );
    let (one, other) = (&full.replies[0], &bare.replies[0]);
    assert_eq!((one.cooldown, one.same_text_limit), (other.cooldown, other.same_text_limit));
}

#[test]
fn higher_layers_win() {
    let file =
        format!("[webhooks]\npath = \"/file\"\npublic_keys = [\"{KEY}\"]\n[telnyx]\napi_key = \"file\"\n");
    let variables = [
        ("TELNYX_API_KEY", "telnyx"),
        ("TELNYX_BASE_URL", "https://telnyx.example.com/v2"),
        ("INLET_TELNYX__BASE_URL", "https://inlet.example.com/v2"),
        ("INLET_TELNYX__NUMBERS", "+15551230001, +15551230002"),
        ("INLET_MEDIA__KEY_HOSTS", "[\"a.example.com\"]"),
        ("INLET_MEDIA__MAX_BYTES", "7"),
        ("INLET_SANDBOX__MEDIA_AUTH", "true"),
        ("INLET_WEBHOOKS__PATH", ""),
    ];
    let config = load(&file, variables.into()).unwrap();
    assert_eq!(config.webhooks.path, "/file");
    assert_eq!(config.webhooks.public_keys[0].to_base64(), KEY);
    assert_eq!(config.telnyx.api_key.unwrap().expose_secret(), "telnyx");
    assert_eq!(config.telnyx.base_url.host_str(), Some("inlet.example.com"));
    assert_eq!(config.telnyx.numbers.len(), 2);
    assert_eq!(config.media.key_hosts, ["a.example.com"]);
    assert_eq!(config.media.max_bytes, 7);
    assert!(config.sandbox.media_auth);
}

#[test]
fn flags_win_over_everything() {
    let flags = vec![FlagSetting {
        flag: "--path",
        section: "webhooks",
        key: "path",
        value: Value::Text("/flag".into()),
    }];
    let environment = Environment::from([("INLET_WEBHOOKS__PATH", "/variable")]);
    let config = Config::load(&Sources { file: None, environment, flags }).unwrap();
    assert_eq!(config.webhooks.path, "/flag");
}

#[test]
fn secrets_come_from_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key").display().to_string();
    std::fs::write(&path, "from-a-file\n").unwrap();
    let variables = [("TELNYX_API_KEY", "shorter"), ("INLET_TELNYX__API_KEY_FILE", path.as_str())];
    let config = load("[telnyx]\napi_key = \"lowest\"\n", variables.into()).unwrap();
    assert_eq!(config.telnyx.api_key.unwrap().expose_secret(), "from-a-file");
}

#[test]
fn a_value_and_its_file_contradict_each_other() {
    let problem = refused("[admin]\ntoken = \"sixteen-letters-and-more\"\ntoken_file = \"/x\"\n");
    assert_eq!(problem, "inlet.toml line 3: `admin.token_file` and `admin.token` are both given; keep one");
}

#[test]
fn lists_of_destinations_come_from_the_environment_too() {
    let variables =
        [("INLET_DESTINATIONS", "[{ name = \"crm\", url = \"http://127.0.0.1:9/x\", ordered = true }]")];
    let config = load("[[destinations]]\nname = \"old\"\nurl = \"file:/old\"\n", variables.into()).unwrap();
    assert_eq!(config.destinations.len(), 1);
    assert!(config.destinations[0].destination.ordered);
}

#[test]
fn all_problems_are_told_at_once_with_their_lines() {
    let file = r#"
[webhooks]
lisen = "127.0.0.1:5000"
path = 7
public_keys = ["AAAA"]
tolerance = "soon"
[webhoks]
listen = "x"
[[destinations]]
name = "crm"
url = "redis://localhost"
format = "message"
[[destinations]]
name = "crm"
url = "https://crm.example.com"
when = "to =="
concurrency = 0
[[replies]]
name = "hours"
"#;
    insta::assert_snapshot!(refused(file), @r"
    inlet.toml line 7: `webhoks` is not a section; did you mean `webhooks`?
    inlet.toml line 3: `webhooks.lisen` is not a setting; did you mean `webhooks.listen`?
    inlet.toml line 4: `webhooks.path` takes a text in quotes
    inlet.toml line 5: `webhooks.public_keys`: public key decodes to 3 bytes, not 32
    inlet.toml line 6: `webhooks.tolerance`: `soon` is not a duration, as in 90s, 5m, 10h, 2d
    inlet.toml line 11: `destinations.url`: destinations of scheme `redis` are not supported yet; use http, https or file
    inlet.toml line 12: `destinations.format`: format `message` is not supported yet; use `telnyx`
    inlet.toml line 14: `destinations.name`: `crm` is the name of another one
    inlet.toml line 16: `destinations.when`: `to ==` is not an expression: unexpected end of input, expected expression
    inlet.toml line 17: `destinations.concurrency`: 0 is not between 1 and 1000
    inlet.toml line 18: `replies.text`: is missing
    ");
}

#[test]
fn unknown_variables_are_refused_and_others_left_alone() {
    let variables = [("INLET_WEBHOOKS__LISEN", "x"), ("INLET_LOG", "debug"), ("INLET_URL", "http://x")];
    let problem = load("", variables.into()).map(|_| ()).unwrap_err();
    assert_eq!(
        problem,
        "INLET_WEBHOOKS__LISEN: `webhooks.lisen` is not a setting; did you mean `webhooks.listen`?"
    );
}

#[test]
fn a_variable_with_one_underscore_is_told_what_was_meant() {
    for (name, meant) in [
        ("INLET_ADMIN_TOKEN", Some("INLET_ADMIN__TOKEN")),
        ("INLET_WEBHOOKS_LISTEN", Some("INLET_WEBHOOKS__LISTEN")),
        ("INLET_API_KEY", Some("INLET_TELNYX__API_KEY")),
        ("INLET_COLOUR", None),
    ] {
        let problem = load("", [(name, "value")].into()).map(|_| ()).unwrap_err();
        let hint = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        assert_eq!(problem, format!("{name}: `{name}` is not a variable{hint}"));
    }
}

#[test]
fn variables_of_commands_and_of_kubernetes_are_left_alone() {
    let variables = [
        ("INLET_CONFIG", "inlet.toml"),
        ("INLET_SANDBOX_API_KEY", "KEY"),
        ("INLET_PORT", "tcp://10.0.0.1:5000"),
        ("INLET_SERVICE_HOST", "10.0.0.1"),
        ("INLET_SERVICE_PORT_WEBHOOKS", "5000"),
        ("INLET_ADMIN_PORT_5001_TCP_ADDR", "10.0.0.1"),
    ];
    load("", variables.into()).unwrap();
}

#[test]
fn what_would_mean_nothing_is_refused() {
    insta::assert_snapshot!(
        refused(
            "[webhooks]\ntolerance = \"500ms\"\n[media]\nretry = []\n[telnyx]\nbase_url = \"http://a.example/v2\"\n\
             [[destinations]]\nname = \"crm\"\nurl = \"http://169.254.169.254/x\"\nretry = []\n"
        ),
        @r#"
    inlet.toml line 2: `webhooks.tolerance`: must be whole seconds, at least 1s: Telnyx signs the second
    inlet.toml line 6: `telnyx.base_url`: `http://a.example/v2` would carry the API key in clear: use https, or a host on this machine
    inlet.toml line 4: `media.retry`: an empty list would mean no try at all; ["0s"] is a single one
    inlet.toml line 9: `destinations.url`: address of `169.254.169.254` is forbidden: link-local
    inlet.toml line 10: `destinations.retry`: an empty list would mean no try at all; ["0s"] is a single one
    "#
    );
    for (tolerance, good) in [("0s", false), ("1s", true), ("1500ms", false), ("2000ms", true)] {
        let file = format!("[webhooks]\ntolerance = \"{tolerance}\"\n");
        assert_eq!(load(&file, Environment::default()).is_ok(), good, "{tolerance}");
    }
}

#[test]
fn broken_toml_names_its_line() {
    let problem = refused("[webhooks]\npath = \n");
    assert!(problem.starts_with("inlet.toml line 2: not TOML: "), "{problem}");
}

#[test]
fn serve_needs_a_key_and_a_token_beyond_loopback() {
    let config = load("[admin]\nlisten = \"0.0.0.0:5001\"\n", Environment::default()).unwrap();
    let problems = config.check_for_serve().unwrap_err().to_string();
    assert_eq!(problems.lines().count(), 2, "{problems}");
    let file = format!("[webhooks]\npublic_keys = [\"{KEY}\"]\n");
    assert!(load(&file, Environment::default()).unwrap().check_for_serve().is_ok());
    for (listen, good) in [("127.0.0.1:5000", false), ("0.0.0.0:5000", false), ("[::1]:5000", true)] {
        let file = format!("{file}[admin]\nlisten = \"{listen}\"\ntoken = \"sixteen-letters-and-more\"\n");
        let checked = load(&file, Environment::default()).unwrap().check_for_serve();
        assert_eq!(checked.is_ok(), good, "{listen}");
    }
}

#[test]
fn show_hides_secrets_and_tells_origins() {
    let environment = Environment::from([
        ("TELNYX_API_KEY", "KEY-canary"),
        ("INLET_ADMIN__TOKEN", "token-canary-0123"),
        ("INLET_DESTINATIONS", "[{ name = 'a', url = 'https://u:canary@a.example/x?key=canary' }]"),
    ]);
    let text = show(&Sources { file: None, environment, flags: Vec::new() }).unwrap();
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("https://u:***@a.example/x?***"), "{text}");
    assert!(text.contains("# TELNYX_API_KEY") && text.contains("# default"), "{text}");
    text.parse::<toml::Table>().unwrap();
}

#[test]
fn the_sandboxs_preset_is_the_guides_unless_another_is_named_and_single_keys_win() {
    let tries = |section: &str| {
        let config = load(&format!("[sandbox]\n{section}"), Environment::default()).unwrap();
        (config.sandbox.retry.attempts_primary, config.sandbox.retry.attempts_failover)
    };
    assert_eq!(tries(""), (3, 1));
    assert_eq!(tries("preset = \"runbook\""), (3, 3));
    assert_eq!(tries("preset = \"runbook\"\nattempts = 5"), (5, 3));
}

#[test]
fn the_sandboxs_defaults_are_those_of_its_crate() {
    let (ours, theirs) =
        (load("", Environment::default()).unwrap().sandbox, inlet_sandbox::SandboxConfig::default());
    let limits = |config: &inlet_sandbox::SandboxConfig| {
        let bytes = [config.media_capacity_bytes, config.log_capacity_bytes, config.pending_capacity_bytes];
        let numbers = [config.delivery_log_capacity, config.message_log_capacity, config.pending_capacity];
        (bytes, numbers, [config.concurrent_attempts, config.attempts_per_receiver])
    };
    assert_eq!(limits(&ours), limits(&theirs));
    assert_eq!(ours.retry, theirs.retry);
    assert_eq!((ours.sent_delay, ours.finalized_delay), (theirs.sent_delay, theirs.finalized_delay));
    assert_eq!((ours.compact_json, ours.signing_time), (theirs.compact_json, theirs.signing_time));
    assert_eq!((ours.media_auth, ours.media_digest_key), (theirs.media_auth, theirs.media_digest_key));
    assert_eq!((ours.media_lifetime, ours.cc_as_strings), (theirs.media_lifetime, theirs.cc_as_strings));
    assert_eq!(ours.expired_media_status, theirs.expired_media_status);
    assert_eq!((ours.api, ours.short_codes), (theirs.api, theirs.short_codes));
    assert_eq!(ours.sms_only_numbers, theirs.sms_only_numbers);
    assert_eq!(ours.carrier, theirs.carrier);
}

#[test]
fn a_configured_seed_key_and_name_reach_the_sandbox() {
    let section = "[sandbox]\nseed = \"one\"\napi_key = \"KEY1\"\nallowed_hosts = [\"inlet\"]\n\
        public_url = \"http://inlet:5002\"\nlog_capacity_bytes = 5";
    let sandbox = load(section, Environment::default()).unwrap().sandbox;
    assert!(sandbox.refuse_other_seed && sandbox.seed != [0; 32]);
    assert_eq!((sandbox.api_key.as_deref(), sandbox.log_capacity_bytes), (Some("KEY1"), 5));
    assert_eq!(
        (&sandbox.allowed_hosts, sandbox.public_url.unwrap().port()),
        (&vec!["inlet".to_owned()], Some(5002))
    );
    assert!(!load("", Environment::default()).unwrap().sandbox.refuse_other_seed);
}

#[test]
fn what_is_wrong_with_the_sandboxs_settings_is_said() {
    for (line, words) in [
        ("preset = \"tutorial\"", "`tutorial` is not one of guide, runbook"),
        ("backoff_growth = \"linear\"", "exponential, fixed"),
        ("error_statuses = [\"40300\"]", "as in 40300=403"),
        ("faults = [\"webhook_flood\"]", "webhook_flood"),
        ("attempts = 0", "between 1 and 20"),
    ] {
        let text = refused(&format!("[sandbox]\n{line}"));
        assert!(text.contains(words), "{text}");
    }
}
