//! Points the account's default profile at a receiver, and back at the end.

use reqwest::Url;
use serde_json::json;

use super::super::account::Account;
use crate::client::Client;
use crate::exit::{Exit, Failure};

/// Where the profile is to point, and where it pointed before.
pub(super) struct Forwarding {
    url: Url,
    before: Option<String>,
}

/// What came of putting the old address back.
pub(super) enum PutBack {
    /// The profile points where it did before.
    Done(Option<String>),
    /// Somebody has pointed it elsewhere in the meantime, and that stays.
    Elsewhere(Option<String>),
}

impl Forwarding {
    /// Points the profile at the URL.
    pub(super) async fn begin(url: Url, client: &Client, account: &Account) -> anyhow::Result<Self> {
        point(client, account, Some(url.as_str())).await?;
        Ok(Self { url, before: account.webhook_url.clone() })
    }

    /// Where the profile points.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Points it there again, when a restart or a reset has undone that. Whether there was need to.
    pub(super) async fn renew(&mut self, client: &Client, account: &Account) -> anyhow::Result<bool> {
        if self.is_there(account) {
            return Ok(false);
        }
        self.before.clone_from(&account.webhook_url);
        point(client, account, Some(self.url.as_str())).await?;
        Ok(true)
    }

    /// Puts the old address back, unless somebody has put another one there.
    pub(super) async fn end(self, client: &Client) -> anyhow::Result<PutBack> {
        let account = Account::fetch(client).await?;
        if !self.is_there(&account) {
            return Ok(PutBack::Elsewhere(account.webhook_url));
        }
        point(client, &account, self.before.as_deref()).await?;
        Ok(PutBack::Done(self.before))
    }

    fn is_there(&self, account: &Account) -> bool {
        account.webhook_url.as_deref() == Some(self.url.as_str())
    }
}

async fn point(client: &Client, account: &Account, url: Option<&str>) -> anyhow::Result<()> {
    let client = client.with_key(account.api_key.clone().into());
    let none = || {
        let remedy = "create one with `POST /v2/messaging_profiles`, or `POST /sandbox/v1/reset`";
        Failure::new(Exit::Refused, "the account has no messaging profile to point at the URL", remedy)
    };
    let profile_id = account.messaging_profile_id.as_ref().ok_or_else(none)?;
    let path = ["v2", "messaging_profiles", profile_id];
    client.patch(&path, &json!({ "webhook_url": url })).await
}
