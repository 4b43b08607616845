//! Our own messages, signed, for programs that are written for them.

use super::Told;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write as _;

/// The header with the signature.
pub const SIGNATURE: &str = "x-headroom-signature";

/// The body. `alert` holds everything that was known; instants in it are milliseconds since 1970.
pub fn body(told: &Told) -> Value {
    json!({
        "version": 1,
        "key": told.key,
        "message": if told.is_test { "test" } else { told.notice.message.as_str() },
        "late": told.late,
        "instead_of": told.instead_of,
        "alert": told.notice,
    })
}

/// The body that tells what capacity a pool is to have: what was decided, with the address of the pool's forecast.
pub fn scaling(key: &str, decision: &Value, address_of: impl Fn(&str) -> String) -> Value {
    let mut decision = decision.clone();
    if let Some(path) = decision["url"].as_str().filter(|path| path.starts_with('/')) {
        decision["url"] = address_of(path).into();
    }
    json!({ "version": 1, "key": key, "message": "scaling", "decision": decision })
}

/// What the signature's header says about a body that is sent at an instant, in seconds: whoever knows the secret makes the
/// same over `<t>.<body>`, and refuses what is old.
pub fn signature(secret: &str, at_s: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(at_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let hex = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("t={at_s},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::super::sample::told;
    use super::*;
    use headroom_domain::alert::episode::Message;

    #[test]
    fn a_message_says_what_it_is() {
        let mut resolved = told(Message::Resolved);
        (resolved.late, resolved.instead_of) = (true, Some("pager".into()));
        let body = body(&resolved);
        assert_eq!(body["message"], "resolved");
        assert_eq!((&body["late"], &body["instead_of"], &body["key"]), (&json!(true), &json!("pager"), &json!("k")));
        assert_eq!((&body["alert"]["pool"], &body["alert"]["episode"]), (&json!("pool-a"), &json!(3)));
    }

    #[test]
    fn signatures_are_those_that_openssl_makes() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'whsec_test'
        let made = signature("whsec_test", 1_700_000_000, br#"{"a":1}"#);
        assert_eq!(made, format!("t=1700000000,v1={OPENSSL}"));
        assert_ne!(signature("other", 1_700_000_000, br#"{"a":1}"#), made);
        assert_ne!(signature("whsec_test", 1_700_000_001, br#"{"a":1}"#), made);
    }

    const OPENSSL: &str = "38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789";
}
