//! Keys and secrets that nobody configured: made once, kept in the store.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use inlet_domain::{Destination, Entropy};
use inlet_engine::new_secret;
use inlet_server::KeyRing;
use inlet_store::Store;
use inlet_telnyx::{PublicKey, SigningKey};
use secrecy::{ExposeSecret, SecretString};

use super::failure::of_store;
use crate::config::DestinationConfig;
use crate::entropy::seed;

/// Inlet's own key, with which deliveries are signed.
pub(super) async fn signing_key(store: &dyn Store, entropy: &dyn Entropy) -> anyhow::Result<Arc<SigningKey>> {
    let kept = store.keep_setting("signing_seed", seed(entropy).to_vec()).await.map_err(of_store)?;
    let kept: [u8; 32] = kept.try_into().map_err(|_| anyhow!("setting `signing_seed` is not 32 bytes"))?;
    Ok(Arc::new(SigningKey::from_seed(&kept).context("cannot use the kept signing seed")?))
}

/// Every destination with its secret: the configured one, or the one that is kept.
pub(super) async fn with_secrets(
    destinations: &[DestinationConfig],
    store: &dyn Store,
    entropy: &dyn Entropy,
) -> anyhow::Result<Vec<(Destination, SecretString)>> {
    let mut complete = Vec::new();
    for DestinationConfig { destination, secret, .. } in destinations {
        let secret = match secret {
            Some(secret) => secret.clone(),
            None => kept_secret(&destination.name, store, entropy).await?,
        };
        complete.push((destination.clone(), secret));
    }
    Ok(complete)
}

async fn kept_secret(name: &str, store: &dyn Store, entropy: &dyn Entropy) -> anyhow::Result<SecretString> {
    let key = format!("destination_secret/{name}");
    let fresh = new_secret(entropy).expose_secret().as_bytes().to_vec();
    let kept = store.keep_setting(&key, fresh).await.map_err(of_store)?;
    let kept = String::from_utf8(kept).map_err(|_| anyhow!("setting `{key}` is not text"))?;
    Ok(SecretString::from(kept))
}

/// What the API shows of keys.
pub(super) fn key_ring(
    signing_key: &SigningKey,
    telnyx: &[PublicKey],
    destinations: &[(Destination, SecretString)],
) -> KeyRing {
    let secret =
        |(destination, secret): &(Destination, SecretString)| (destination.name.clone(), secret.clone());
    KeyRing {
        signing_public_key: signing_key.public().to_base64(),
        telnyx: telnyx.iter().map(|key| (key.fingerprint().to_string(), key.to_base64())).collect(),
        destination_secrets: destinations.iter().map(secret).collect::<HashMap<_, _>>(),
    }
}
