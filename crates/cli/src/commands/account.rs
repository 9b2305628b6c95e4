//! What a running sandbox says of the account that a command speaks for.

use serde::Deserialize;

use crate::client::{Client, Query};

/// The account, as far as commands use it. Not `Debug`, because it holds a key.
#[derive(Clone, Deserialize)]
pub(super) struct Account {
    /// The key that its API takes.
    pub(super) api_key: String,
    /// Where its API is.
    pub(super) api_url: String,
    /// Its numbers, the default one first.
    pub(super) numbers: Vec<String>,
    /// Its default profile, unless all profiles were deleted.
    pub(super) messaging_profile_id: Option<String>,
    /// Its organisation.
    pub(super) organization_id: String,
    /// The key that verifies its webhooks.
    pub(super) public_key: String,
    /// Where its default profile sends webhooks.
    pub(super) webhook_url: Option<String>,
}

impl Account {
    /// Asks a running sandbox.
    pub(super) async fn fetch(client: &Client) -> anyhow::Result<Self> {
        client.get(&["sandbox", "v1", "account"], &Query::new()).await
    }
}
