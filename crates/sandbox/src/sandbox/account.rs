//! What tests and programs do with one account of a sandbox.

use std::sync::Arc;
use std::time::Duration;

use inlet_telnyx::{PhoneNumber, PublicKey};
use serde_json::Value;
use url::Url;

use crate::account::Account;
use crate::expectation::{Expectation, ExpectationError};
use crate::fault::{Fault, InvalidFault};
use crate::message::text::{InboundText, Injected, RawEvent, TextError};
use crate::sandbox::SandboxError;
use crate::webhook::delivery::Delivery;

/// One account of a running sandbox. Copies speak of the same account.
#[derive(Clone)]
pub struct SandboxAccount(pub(super) Arc<Account>);

impl SandboxAccount {
    /// What tells it apart from the others.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The key that verifies the sandbox's webhooks.
    pub fn public_key(&self) -> &PublicKey {
        self.0.identity.public_key()
    }

    /// The key that `/v2` wants as bearer token.
    pub fn api_key(&self) -> &str {
        &self.0.identity.api_key
    }

    /// The account's numbers, in the configured order; those of the default profile first.
    pub fn numbers(&self) -> Vec<PhoneNumber> {
        self.0.numbers.clone()
    }

    /// The id of the default profile.
    pub fn messaging_profile_id(&self) -> &str {
        &self.0.identity.default_profile_id
    }

    /// The id of the profile that a number is on, if it is on any.
    pub fn messaging_profile_id_of(&self, number: &PhoneNumber) -> Option<String> {
        self.0.read(|world| world.profile_of(number).map(|profile| profile.id.clone()))
    }

    /// Points the default profile's webhooks at a receiver, now and after every reset.
    pub fn set_webhook_url(&self, url: Url) {
        self.0.set_webhook_url(url);
    }

    /// Texts one of the account's numbers.
    pub async fn inject(&self, text: InboundText) -> Result<Injected, TextError> {
        self.0.receive_text(text)
    }

    /// Signs and sends a webhook body as it is.
    pub async fn inject_raw(&self, event: RawEvent) -> Result<Injected, TextError> {
        self.0.send_raw(event)
    }

    /// The latest delivery of an event, with its attempts.
    pub fn delivery(&self, event_id: &str) -> Option<Delivery> {
        self.0.read(|world| world.deliveries.find(event_id).cloned())
    }

    /// The deliveries that are kept, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.0.read(|world| world.deliveries.all_after(0).cloned().collect())
    }

    /// Replaces the active faults.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), InvalidFault> {
        self.0.change(|world| world.faults.replace(faults))
    }

    /// Moves the sandbox's clock forward: media age, retries come due.
    pub fn advance_clock(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    /// Waits until no event is on its way.
    pub async fn wait_idle(&self, limit: Duration) -> Result<(), SandboxError> {
        let not_idle = |pending| SandboxError::NotIdle { pending, waited: limit };
        self.0.wait_idle(limit, false).await.map_err(not_idle)
    }

    /// Waits until everything has been tried that is due at the sandbox's time. With a stopped clock later tries
    /// and delayed events wait until it is moved, so it is never idle before.
    pub async fn settle(&self, limit: Duration) -> Result<(), SandboxError> {
        let not_idle = |pending| SandboxError::NotIdle { pending, waited: limit };
        self.0.wait_idle(limit, true).await.map_err(not_idle)
    }

    /// Sends a plain text from a phone to the account's first number.
    pub async fn text(&self, from: &str, text: &str) -> Result<Injected, TextError> {
        let to = self.0.numbers.first().map(PhoneNumber::as_str).unwrap_or_default();
        self.inject(InboundText::new(from, to, text)).await
    }

    /// Waits for messages as a test expects them, and gives them as Telnyx shows them; an error names what came
    /// nearest.
    pub async fn expect_message(&self, expectation: Expectation) -> Result<Vec<Value>, ExpectationError> {
        self.0.expect(expectation).await
    }

    /// Forgets everything; the numbers and URLs are again those that were configured.
    pub fn reset(&self) {
        self.0.reset(false);
    }
}
