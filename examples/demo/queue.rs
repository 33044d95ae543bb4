//! A queue file as a receiver of webhooks would write it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::stage::WEBHOOK_SECRET;

/// Writes two good lines and two bad ones.
pub fn write(path: &Path) -> anyhow::Result<()> {
    let body = |action: &str| {
        json!({"doctype": "Customer", "name": "Harbour Office", "action": action}).to_string()
    };
    let lines = [
        delivery(&body("save"), WEBHOOK_SECRET)?.to_string(),
        delivery(&body("on_change"), WEBHOOK_SECRET)?.to_string(),
        delivery(&body("delete"), "a wrong secret")?.to_string(),
        "this is no delivery".to_owned(),
    ];
    std::fs::write(path, lines.join("\n") + "\n")?;
    Ok(())
}

fn delivery(body: &str, secret: &str) -> anyhow::Result<Value> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(body.as_bytes());
    Ok(json!({
        "source": "local",
        "received_at": "2026-11-22T10:30:00Z",
        "signature": STANDARD.encode(mac.finalize().into_bytes()),
        "body": body,
    }))
}
