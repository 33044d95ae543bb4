//! The signature of a delivery: HMAC-SHA256 over the bytes of its body.
//!
//! The rule kept here: the comparison is the hmac crate's own, in constant time; an empty
//! secret or signature signs nothing.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The length of the code in bytes.
const LENGTH: usize = 32;

/// Whether `signature` is the code of `body` under `secret`: in base64, as Frappe sends it,
/// or in hex of either case.
#[must_use]
pub fn is_signed(secret: &[u8], body: &[u8], signature: &str) -> bool {
    let Some(code) = decode(signature) else { return false };
    if secret.is_empty() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    mac.update(body);
    mac.verify_slice(&code).is_ok()
}

/// SHA-256 of a line, in hex: the same text has the same digest.
#[must_use]
pub fn digest_hex(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The code itself; `None` where the text cannot be one.
fn decode(signature: &str) -> Option<Vec<u8>> {
    let code = if signature.len() == 2 * LENGTH {
        let digits: Option<Vec<u8>> = signature
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
            .collect();
        digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
    } else {
        STANDARD.decode(signature).ok()?
    };
    (code.len() == LENGTH).then_some(code)
}
