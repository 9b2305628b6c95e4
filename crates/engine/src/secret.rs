//! Standard Webhooks secrets: making them, reading them, signing with them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inlet_domain::Entropy;
use secrecy::{ExposeSecret, SecretString};

const PREFIX: &str = "whsec_";
// The bounds of Standard Webhooks 1.0.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const NEW_SECRET_BYTES: usize = 32;

/// A text is not a Standard Webhooks secret. Does not quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret is not `whsec_` and the padded base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

/// Makes a fresh secret: `whsec_` and the base64 of 32 random bytes.
pub fn new_secret(entropy: &dyn Entropy) -> SecretString {
    let mut bytes = [0; NEW_SECRET_BYTES];
    entropy.fill(&mut bytes);
    SecretString::from(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// A secret ready for signing. It does not print itself.
pub(crate) struct WebhookSecret(hmac::Key);

impl WebhookSecret {
    pub(crate) fn parse(secret: &SecretString) -> Result<Self, InvalidSecret> {
        let encoded = secret.expose_secret().trim().strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(InvalidSecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature`: HMAC-SHA256 over `{id}.{timestamp}.{body}`.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    #[test]
    fn signature_is_the_one_the_public_libraries_make() {
        let secret = WebhookSecret::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let signature = secret.sign("msg_1", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,9o7UeFkn1GjVbcY4emAJruJCYqgH2EIf8u/slvVRBZI=");
    }

    #[test]
    fn a_new_secret_can_be_read_back_and_does_not_print_itself() {
        let secret = new_secret(&Fixed);
        assert!(WebhookSecret::parse(&secret).is_ok());
        assert!(!format!("{secret:?}").contains("BwcH"));
    }

    #[test]
    fn other_texts_are_no_secrets() {
        for text in ["", "whsec_", "whsec_!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA"] {
            assert_eq!(WebhookSecret::parse(&text.into()).err(), Some(InvalidSecret), "{text}");
        }
    }
}
