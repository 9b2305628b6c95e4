//! A whole world in a temporary folder: a configuration, a gateway, a sandbox, and verbs to use them.

use std::path::Path;

use inlet_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::Gateway;
use crate::wait::until;

/// Somebody's phone.
pub(crate) const PHONE: &str = "+15551234567";
/// Our number in the sandbox.
pub(crate) const OURS: &str = "+15559876543";

/// `inlet dev`: gateway and sandbox in one process.
pub(crate) struct Dev {
    pub(crate) folder: TempDir,
    pub(crate) gateway: Gateway,
}

impl Dev {
    /// Starts with this `inlet.toml` (ports are always free ones).
    pub(crate) async fn start(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("inlet.toml"), configuration).unwrap();
        let gateway = start_dev(folder.path()).await;
        Self { folder, gateway }
    }

    /// The sandbox's control API.
    pub(crate) fn control(&self) -> Control {
        Control::new(&self.gateway.address("sandbox"))
    }
}

/// Starts `inlet dev` on free ports in a folder.
pub(crate) async fn start_dev(folder: &Path) -> Gateway {
    let free = "127.0.0.1:0";
    let ports = ["--webhooks-listen", free, "--admin-listen", free, "--sandbox-listen", free];
    Gateway::start(folder, "dev", &ports).await
}

/// `inlet serve` beside a sandbox that outlives it.
pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) gateway: Gateway,
    pub(crate) sandbox: Sandbox,
}

impl Served {
    /// Starts both; `configuration` is added to what the wiring needs.
    pub(crate) async fn start(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = start_sandbox(&[OURS]).await;
        write_configuration(folder.path(), &sandbox, configuration);
        let gateway = start_serve(folder.path(), &sandbox).await;
        Self { folder, gateway, sandbox }
    }

    /// Kills the gateway with `kill -9` and starts it again on the same data.
    pub(crate) async fn kill_and_restart(self) -> Self {
        let Self { folder, gateway, sandbox } = self;
        gateway.kill();
        let gateway = start_serve(folder.path(), &sandbox).await;
        Self { folder, gateway, sandbox }
    }

    /// The sandbox's control API.
    pub(crate) fn control(&self) -> Control {
        Control::new(&self.sandbox.base_url())
    }
}

/// A sandbox whose account has these numbers.
pub(crate) async fn start_sandbox(numbers: &[&str]) -> Sandbox {
    let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
    let config =
        SandboxConfig { listen: "127.0.0.1:0".parse().unwrap(), numbers, ..SandboxConfig::default() };
    Sandbox::start_with(config).await.unwrap()
}

/// Writes an `inlet.toml` that trusts and uses the sandbox.
pub(crate) fn write_configuration(folder: &Path, sandbox: &Sandbox, more: &str) {
    let text = format!(
        "[webhooks]\nlisten = \"127.0.0.1:0\"\npublic_keys = [\"{}\"]\npublic_url = \"http://127.0.0.1:1/webhooks\"\n\
         [telnyx]\nbase_url = \"{}\"\napi_key = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n{more}",
        sandbox.public_key().to_base64(),
        sandbox.api_url(),
        sandbox.api_key(),
    );
    std::fs::write(folder.join("inlet.toml"), text).unwrap();
}

/// Starts `inlet serve` in a folder and points the sandbox's profile at it.
pub(crate) async fn start_serve(folder: &Path, sandbox: &Sandbox) -> Gateway {
    let gateway = Gateway::start(folder, "serve", &[]).await;
    sandbox.set_webhook_url(gateway.address("webhooks").parse().unwrap());
    gateway
}

/// The sandbox's control API.
pub(crate) struct Control {
    base: String,
    http: reqwest::Client,
}

impl Control {
    pub(crate) fn new(base: &str) -> Self {
        Self { base: format!("{base}/sandbox/v1"), http: reqwest::Client::new() }
    }

    /// Sends a text from a phone; returns what the sandbox made of it (`id`, `event_id`).
    pub(crate) async fn text(&self, from: &str, to: &str, text: &str) -> Value {
        self.inject(&json!({"from": from, "to": to, "text": text})).await
    }

    /// Injects any inbound message.
    pub(crate) async fn inject(&self, message: &Value) -> Value {
        let (status, answer) = self.post("texts", message).await;
        assert_eq!(status, 202, "{answer}");
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}/{path}", self.base)).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.http.post(format!("{}/{path}", self.base)).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.http.put(format!("{}/{path}", self.base)).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Messages that the account has sent to this number, without what Telnyx itself answers to keywords.
    pub(crate) async fn sent_to(&self, number: &str) -> Vec<Value> {
        let answer =
            self.get(&format!("messages?autoresponse=false&to={}", number.replace('+', "%2B"))).await;
        answer["data"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until the account has sent this many messages to the number.
    pub(crate) async fn wait_sent_to(&self, number: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} messages to a phone"), || async {
            Some(self.sent_to(number).await).filter(|sent| sent.len() >= count)
        })
        .await
    }
}
