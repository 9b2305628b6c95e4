//! Signatures on which implementations of Ed25519 are known to differ ("Taming the many EdDSAs"): which ones verify here.
//!
//! Only whoever holds the private key can make them, so none is a forgery. They are settled all the same, and each is
//! given to aws-lc-rs too, whose arithmetic is not ours: a change of library that changes an answer is seen.

use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::{EdwardsPoint, Scalar};

use super::*;

const MESSAGE: &[u8] = b"5|x";
/// The order of the group, little endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A key and a signature over [`MESSAGE`], as bytes.
struct Case {
    key: [u8; 32],
    r: [u8; 32],
    s: [u8; 32],
}

impl Case {
    /// Signs with a key and an R that may each have a part of small order.
    fn sign(secret: Scalar, key_torsion: usize, nonce: Scalar, r_torsion: usize) -> Self {
        let key = point(secret, key_torsion);
        let r = point(nonce, r_torsion);
        let s = nonce + challenge(&r, &key) * secret;
        Self { key, r, s: s.to_bytes() }
    }

    /// What the signature says about the message; the same in both implementations.
    fn verifies(&self) -> bool {
        let signature = [self.r, self.s].concat();
        let text = STANDARD.encode(&signature);
        let headers = SignatureHeaders::read([text.as_bytes()], [b"5".as_slice()]).unwrap();
        let key = PublicKey::from_bytes(self.key).unwrap();
        let ours = verify(&headers, b"x", &[key], 5, 300).is_ok();
        let theirs = UnparsedPublicKey::new(&ED25519, self.key).verify(MESSAGE, &signature).is_ok();
        assert_eq!(ours, theirs, "the implementations differ");
        ours
    }

    /// The challenge, as far as it moves a point of order eight.
    fn challenge_modulo_8(&self) -> u8 {
        challenge(&self.r, &self.key).to_bytes()[0] % 8
    }
}

fn point(scalar: Scalar, torsion: usize) -> [u8; 32] {
    (EdwardsPoint::mul_base(&scalar) + EIGHT_TORSION[torsion]).compress().to_bytes()
}

fn challenge(r: &[u8; 32], key: &[u8; 32]) -> Scalar {
    let hash = digest(&SHA512, &[r.as_slice(), key, MESSAGE].concat());
    Scalar::from_bytes_mod_order_wide(hash.as_ref().try_into().unwrap())
}

/// Signs with one nonce after another until the case is as wanted.
fn find(sign: impl Fn(Scalar) -> Case, wanted: impl Fn(&Case) -> bool) -> Case {
    (1_u64..10_000).map(|nonce| sign(Scalar::from(nonce))).find(wanted).expect("one in eight is")
}

fn secret() -> Scalar {
    Scalar::from(0x1234_5678_9abc_def1_u64)
}

#[test]
fn an_ordinary_signature_verifies() {
    assert!(Case::sign(secret(), 0, Scalar::from(77_u64), 0).verifies());
}

#[test]
fn the_cofactor_is_not_multiplied_in() {
    // The key has a part of order eight. The equation holds without the cofactor only where the challenge cancels it.
    let sign = |nonce| Case::sign(secret(), 1, nonce, 0);
    assert!(!find(sign, |case| case.challenge_modulo_8() != 0).verifies());
    assert!(find(sign, |case| case.challenge_modulo_8() == 0).verifies());
    // R has one, and the key has none to make up for it.
    assert!(!Case::sign(secret(), 0, Scalar::from(77_u64), 1).verifies());
    // Both have, and they cancel each other.
    let cancels = |case: &Case| (case.challenge_modulo_8() + 3).is_multiple_of(8);
    assert!(find(|nonce| Case::sign(secret(), 1, nonce, 3), cancels).verifies());
}

#[test]
fn a_small_order_r_is_no_reason_to_refuse() {
    // The nonce is zero: R is the neutral point, in its canonical form.
    assert!(Case::sign(secret(), 0, Scalar::ZERO, 0).verifies());
}

#[test]
fn r_is_compared_as_bytes() {
    // The neutral point again, in forms that decode to the same: y = p + 1, and x = 0 with a sign.
    let neutral = point(Scalar::ZERO, 0);
    let mut beyond_p = [0xff; 32];
    (beyond_p[0], beyond_p[31]) = (0xee, 0x7f);
    let mut signed_zero = neutral;
    signed_zero[31] |= 0x80;
    for r in [beyond_p, signed_zero] {
        let key = point(secret(), 0);
        // The challenge is taken over the bytes as sent, or over the point: neither helps.
        for hashed in [r, neutral] {
            let s = (challenge(&hashed, &key) * secret()).to_bytes();
            assert!(!Case { key, r, s }.verifies());
        }
    }
}

#[test]
fn s_is_below_the_order_of_the_group() {
    let good = Case::sign(secret(), 0, Scalar::from(77_u64), 0);
    let mut carry = 0;
    let mut s = good.s;
    for (byte, order) in s.iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_ne!(s, good.s);
    assert!(!Case { s, ..good }.verifies());
    let mut high_bit = good.s;
    high_bit[31] |= 0x80;
    assert!(!Case { s: high_bit, ..good }.verifies());
}

#[test]
fn keys_have_one_encoding() {
    let p_plus = |small: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + small, 0x7f);
        bytes
    };
    let refused = (0..19).map(|small| PublicKey::from_bytes(p_plus(small)).unwrap_err());
    let refused: Vec<_> = refused.collect();
    // y = 0 and y = 1 are of small order; of the rest some are on the curve, and would be keys if y counted modulo p.
    assert_eq!(refused[..2], [InvalidKey::SmallOrder, InvalidKey::SmallOrder]);
    assert!(refused[2..].iter().all(|error| *error == InvalidKey::NotEd25519));
    let canonical =
        |small: u8| PublicKey::from_bytes(std::array::from_fn(|at| if at == 0 { small } else { 0 }));
    assert!((2..19).any(|small| canonical(small).is_ok()));
    assert!((2..19).any(|small| canonical(small).is_err()));
}

proptest::proptest! {
    #[test]
    fn both_implementations_say_the_same_of_damaged_signatures(nonce in 1_u64.., byte in 0_usize..64, bits in 1_u8..) {
        let mut case = Case::sign(secret(), 0, Scalar::from(nonce), 0);
        proptest::prop_assert!(case.verifies());
        if byte < 32 { case.r[byte] ^= bits } else { case.s[byte - 32] ^= bits }
        proptest::prop_assert!(!case.verifies());
    }
}
