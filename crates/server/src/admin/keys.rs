//! The public keys: Inlet's own, which destinations verify, and Telnyx's, which Inlet verifies.

use axum::Json;
use axum::extract::State;
use inlet_telnyx::PublicKey;
use serde::Serialize;

use super::query::NoQuery;
use super::state::Shared;

#[derive(Debug, Serialize)]
pub(super) struct Keys {
    inlet: Key,
    telnyx: Vec<Key>,
}

#[derive(Debug, Serialize)]
struct Key {
    fingerprint: Option<String>,
    public_key: String,
}

pub(super) async fn all(State(state): State<Shared>, _: NoQuery) -> Json<Keys> {
    let ring = &state.config.keys;
    let own = PublicKey::from_base64(&ring.signing_public_key).ok();
    let telnyx = |(fingerprint, public_key): &(String, String)| Key {
        fingerprint: Some(fingerprint.clone()),
        public_key: public_key.clone(),
    };
    Json(Keys {
        inlet: Key {
            fingerprint: own.map(|key| key.fingerprint().to_string()),
            public_key: ring.signing_public_key.clone(),
        },
        telnyx: ring.telnyx.iter().map(telnyx).collect(),
    })
}
