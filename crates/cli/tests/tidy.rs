//! Holds the house rules by machine: who may use whom, how files begin and end, where time and chance come from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may use whom, of our own crates (ARCHITECTURE.md, "The house").
const DIRECTIONS: [(&str, &[&str]); 8] = [
    ("inlet-telnyx", &[]),
    ("inlet-domain", &["inlet-telnyx"]),
    ("inlet-store", &["inlet-domain"]),
    ("inlet-engine", &["inlet-domain", "inlet-store", "inlet-telnyx"]),
    ("inlet-server", &["inlet-domain", "inlet-store", "inlet-telnyx"]),
    ("inlet-sandbox", &["inlet-telnyx"]),
    (
        "inlet",
        &["inlet-domain", "inlet-engine", "inlet-sandbox", "inlet-server", "inlet-store", "inlet-telnyx"],
    ),
    ("inlet-bench", &["inlet-domain", "inlet-server", "inlet-store", "inlet-telnyx"]),
];

/// What a crate must never link, whoever brings it.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    ("inlet-telnyx", &["tokio", "hyper", "reqwest", "axum", "rusqlite"]),
    ("inlet-domain", &["tokio", "hyper", "reqwest", "axum", "rusqlite"]),
    ("inlet-engine", &["axum", "rusqlite"]),
    ("inlet-server", &["reqwest", "rusqlite"]),
];

/// One crypto library, one TLS: these must not be linked by anything.
const NEVER_LINKED: [&str; 4] = ["ring", "openssl-sys", "native-tls", "rustls-pemfile"];

/// Files that may be longer than [`MAX_LINES`], each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];
const MAX_LINES: usize = 700;

/// Reading the clock, chance or the environment, and where it is allowed.
const AMBIENT: [(&str, &[&str]); 6] = [
    ("SystemTime::now", &["crates/cli/", "crates/sandbox/src/clock.rs", "bench/"]),
    ("Timestamp::now", &["crates/cli/", "crates/sandbox/src/clock.rs", "bench/"]),
    ("SystemRandom", &["crates/cli/", "bench/"]),
    ("rand::", &["crates/cli/", "bench/"]),
    ("env::var", &["crates/cli/", "bench/"]),
    // The guarded client is the only way out of the gateway; the sandbox and the command line have their own.
    ("reqwest::Client", &["crates/engine/src/outbound", "crates/sandbox/", "crates/cli/"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders deep")
        .to_owned()
}

fn metadata() -> Value {
    let text = cargo(&["metadata", "--format-version=1", "--locked", "--filter-platform", &host()]);
    serde_json::from_str(&text).expect("cargo metadata writes JSON")
}

fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

/// The machine's own target: packages of others are not downloaded.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc writes UTF-8");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().expect("there are packages").iter()
}

/// Every `.rs` file of ours with its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "bench"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 30, "the walk over the sources found {} files", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("folder can be read") {
        let path = entry.expect("entry can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("lies below the root").display().to_string();
            found.push((name, fs::read_to_string(&path).expect("file can be read")));
        }
    }
}

#[test]
fn crates_use_only_those_below_them() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = DIRECTIONS.iter().map(|(name, _)| *name).collect();
    let mut seen = BTreeSet::new();
    for package in packages(&metadata).filter(|package| package["source"].is_null()) {
        let name = package["name"].as_str().expect("a package has a name");
        let allowed = DIRECTIONS.iter().find(|(crate_name, _)| *crate_name == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("crate `{name}` has no place in the house"));
        for dependency in package["dependencies"].as_array().expect("a list") {
            let used = dependency["name"].as_str().expect("a dependency has a name");
            assert!(!ours.contains(used) || allowed.contains(&used), "`{name}` must not use `{used}`");
        }
        seen.insert(name);
    }
    assert_eq!(seen, ours);
}

#[test]
fn pure_crates_link_no_runtime_and_nobody_links_a_second_crypto_library() {
    let metadata = metadata();
    for (name, forbidden) in FORBIDDEN {
        let direct = direct_dependencies(&metadata, name);
        for banned in forbidden {
            assert!(!direct.contains(*banned), "`{name}` must not use `{banned}`");
        }
    }
    // Not `cargo metadata`: it also lists optional dependencies that nobody has switched on.
    let tree = cargo(&["tree", "--workspace", "--locked", "--prefix=none", "--edges=normal,build,dev"]);
    for line in tree.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(!NEVER_LINKED.contains(&name), "{name} is linked; `cargo tree -i {name}` says by whom");
    }
}

fn direct_dependencies(metadata: &Value, name: &str) -> BTreeSet<String> {
    let package = packages(metadata).find(|package| package["name"] == name).expect("crate exists");
    let all = package["dependencies"].as_array().expect("a list").iter();
    all.filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn every_shared_version_has_a_user() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("file can be read");
    let (_, rest) =
        manifest.split_once("[workspace.dependencies]").expect("the root manifest shares versions");
    let (shared, _) = rest.split_once("\n[").expect("another table follows");
    let users: Vec<String> = packages(&metadata())
        .filter(|package| package["source"].is_null())
        .flat_map(|package| package["dependencies"].as_array().cloned().unwrap_or_default())
        .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
        .collect();
    for line in shared.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase())) {
        let (name, _) = line.split_once(" =").expect("a line has a name");
        assert!(users.iter().any(|user| user == name), "nobody uses `{name}`");
    }
}

#[test]
fn declared_dependencies_are_used() {
    let (metadata, sources) = (metadata(), sources());
    for package in packages(&metadata).filter(|package| package["source"].is_null()) {
        let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
        let folder =
            manifest.parent().and_then(|path| path.strip_prefix(root()).ok()).expect("lies below the root");
        let prefix = format!("{}/", folder.display());
        let texts: Vec<&str> = sources
            .iter()
            .filter(|(path, _)| path.starts_with(&prefix))
            .map(|(_, text)| text.as_str())
            .collect();
        for dependency in package["dependencies"].as_array().expect("a list") {
            let name = dependency["name"].as_str().expect("a name").replace('-', "_");
            let used = texts.iter().any(|text| text.contains(&name));
            assert!(used, "{} declares `{name}` and does not use it", manifest.display());
        }
    }
}

#[test]
fn files_say_what_they_own_and_stay_short() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{path} does not begin with its owner-sentence");
        let lines = text.lines().count();
        let excused = LONG_FILES.iter().any(|(long, _)| *long == path);
        assert!(lines <= MAX_LINES || excused, "{path} has {lines} lines; split it by responsibility");
    }
}

#[test]
fn time_chance_and_the_way_out_come_from_one_place() {
    for (path, text) in sources().iter().filter(|(path, _)| !is_test(path)) {
        for (needle, allowed) in AMBIENT {
            let here = text.contains(needle) && !allowed.iter().any(|prefix| path.starts_with(prefix));
            assert!(!here, "{path} uses `{needle}`, which belongs to {allowed:?}");
        }
    }
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

#[test]
fn the_rules_are_written_where_a_newcomer_looks() {
    for file in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "justfile"] {
        assert!(root().join(file).is_file(), "{file} is missing");
    }
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("file can be read");
    for (name, _) in
        DIRECTIONS.iter().filter(|(name, _)| name.starts_with("inlet-") && *name != "inlet-bench")
    {
        let folder = format!("crates/{}", name.trim_start_matches("inlet-"));
        assert!(architecture.contains(&folder), "ARCHITECTURE.md does not speak of `{folder}`");
    }
}
