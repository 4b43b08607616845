//! Passwords: how they are judged, stored and checked.

use crate::app::AppError;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use headroom_domain::access::{MAX_PASSWORD, MIN_PASSWORD};
use std::sync::LazyLock;
use tokio::sync::Semaphore;

/// Hashes being computed at once: each takes 19 MiB and a processor.
static TURNS: Semaphore = Semaphore::const_new(2);

/// What an unknown account's password is checked against, so that it takes as long as any other.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("a password that nobody has").unwrap_or_default());

fn hash_now(password: &str) -> Result<String, String> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|e| e.to_string())
}

fn matches_now(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// Judges a new password. `about` are words that the person is known by: they are easy to guess.
///
/// # Errors
/// What was expected, as a sentence for the field.
pub fn judge(password: &str, about: &[&str]) -> Result<(), String> {
    let length = password.chars().count();
    if !(MIN_PASSWORD..=MAX_PASSWORD).contains(&length) {
        return Err(format!("{MIN_PASSWORD} to {MAX_PASSWORD} characters"));
    }
    // The estimate looks at no more than this.
    let start: String = password.chars().take(100).collect();
    let words = about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '.'));
    let known: Vec<&str> = about.iter().copied().chain(words).filter(|word| word.len() > 2).collect();
    let estimate = zxcvbn::zxcvbn(&start, &known);
    if u8::from(estimate.score()) >= 3 {
        return Ok(());
    }
    let hint = estimate.feedback().and_then(|feedback| feedback.suggestions().first()).map(ToString::to_string);
    let hint = hint.map(|hint| format!(" ({})", hint.trim_end_matches('.'))).unwrap_or_default();
    Err(format!("a password that is harder to guess{hint}"))
}

/// The hash of a password, argon2id.
pub async fn hash(password: &str) -> Result<String, AppError> {
    let password = password.to_owned();
    let _turn = TURNS.acquire().await.map_err(|e| AppError::Internal(e.to_string()))?;
    let hashed = tokio::task::spawn_blocking(move || hash_now(&password)).await;
    hashed.map_err(|e| AppError::Internal(e.to_string()))?.map_err(AppError::Internal)
}

/// Whether a password is the one with this hash. Without a hash it is not, after the same time.
pub async fn matches(password: &str, hash: Option<&str>) -> Result<bool, AppError> {
    let (password, stored) = (password.to_owned(), hash.map(str::to_owned));
    let _turn = TURNS.acquire().await.map_err(|e| AppError::Internal(e.to_string()))?;
    let checked = tokio::task::spawn_blocking(move || match stored {
        Some(stored) => matches_now(&password, &stored),
        None => {
            matches_now(&password, &NOBODY);
            false
        }
    });
    checked.await.map_err(|e| AppError::Internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_with_a_reason() {
        for weak in ["short", "password12", "aaaaaaaaaaaa", "dana.okafor1", "1234567890"] {
            assert!(judge(weak, &["dana.okafor@example.org", "Dana Okafor"]).is_err(), "{weak}");
        }
        assert_eq!(judge("correct horse battery staple", &[]), Ok(()));
        assert!(judge(&"long".repeat(100), &[]).is_err());
    }

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let stored = hash("correct horse").await.expect("it can be hashed");
        assert!(stored.starts_with("$argon2id$") && !stored.contains("horse"));
        assert!(matches("correct horse", Some(&stored)).await.expect("it can be checked"));
        assert!(!matches("wrong horse", Some(&stored)).await.expect("it can be checked"));
        assert!(!matches("correct horse", None).await.expect("it can be checked"));
        assert!(!matches("correct horse", Some("damaged")).await.expect("it can be checked"));
    }
}
