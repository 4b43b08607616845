//! The second factor: six digits of the time (RFC 6238), SHA-1, 30 s, one step of tolerance.

use crate::app::AppError;
use headroom_domain::Millis;
use totp_rs::{Builder, Secret, Totp};

/// Shown in the app beside the account.
const ISSUER: &str = "Headroom";

fn totp(secret: &[u8], account: &str) -> Result<Totp, AppError> {
    Builder::new()
        .with_secret(secret.to_vec())
        // A colon would end the name early in the app.
        .with_account_name(account.replace(':', " "))
        .with_issuer(Some(ISSUER))
        .build()
        .map_err(|e| AppError::Internal(format!("second factor: {e}")))
}

/// A new secret, 160 bits.
pub fn secret() -> Vec<u8> {
    Secret::generate().as_bytes().to_vec()
}

/// The step that a code belongs to, if it is one of now.
pub fn check(secret: &[u8], code: &str, now_ms: Millis) -> Result<Option<i64>, AppError> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    let found = totp(secret, "account")?.check(&digits, (now_ms / 1000).max(0) as u64);
    Ok(found.map(|step| step as i64))
}

/// What an app needs: the secret to type in groups of four, the address, and the address as a QR code.
pub struct Enrolment {
    /// Base 32.
    pub typed: String,
    /// `otpauth://...`
    pub uri: String,
    /// SVG.
    pub qr_svg: String,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment").finish_non_exhaustive()
    }
}

/// How an account's secret gets into an app.
pub fn enrol(secret: &[u8], account: &str) -> Result<Enrolment, AppError> {
    let base32 = Secret::from(secret.to_vec()).to_base32();
    let groups: Vec<&str> = base32.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    let internal = |e: String| AppError::Internal(format!("second factor: {e}"));
    let uri = totp(secret, account)?.to_url().map_err(|e| internal(e.to_string()))?;
    let code = qrcode::QrCode::new(uri.as_bytes()).map_err(|e| internal(e.to_string()))?;
    Ok(Enrolment { typed: groups.join(" "), qr_svg: svg(&code), uri })
}

/// Dark squares as one path, with the quiet zone that scanners need. The page puts it on white in both themes.
fn svg(code: &qrcode::QrCode) -> String {
    use std::fmt::Write as _;
    const QUIET: usize = 4;
    let (width, mut path) = (code.width(), String::new());
    for (at, colour) in code.to_colors().into_iter().enumerate() {
        if colour == qrcode::Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
        }
    }
    let size = width + 2 * QUIET;
    format!(
        "<svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"QR code of the secret\" shape-rendering=\"crispEdges\">\
         <path fill=\"currentColor\" d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, SHA-1, cut to six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            assert_eq!(check(secret, code, seconds * 1000).expect("a secret of the right length"), Some(seconds / 30));
            let tolerant = check(secret, code, (seconds + 30) * 1000).expect("a secret of the right length");
            assert_eq!(tolerant, Some(seconds / 30), "a step late");
            assert_eq!(check(secret, code, (seconds + 90) * 1000).expect("a secret of the right length"), None);
        }
        for wrong in ["", "28708", "2870821", "28708x", "٢٨٧٠٨٢"] {
            assert_eq!(check(secret, wrong, 59_000).expect("a secret of the right length"), None, "{wrong}");
        }
    }

    #[test]
    fn an_app_gets_the_secret_in_three_forms() {
        let enrolment = enrol(b"12345678901234567890", "dana@example.org").expect("it can be enrolled");
        assert_eq!(enrolment.typed, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert!(enrolment.uri.starts_with("otpauth://totp/Headroom:dana") && enrolment.uri.contains("issuer=Headroom"));
        assert!(enrolment.qr_svg.starts_with("<svg") && enrolment.qr_svg.contains("h1v1h-1z"));
        assert_eq!(secret().len(), 20);
    }
}
