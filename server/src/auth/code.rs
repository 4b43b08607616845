//! Random secrets: tokens, and codes that people type. Stored as hashes only; random enough that a fast hash will do.

use rand::TryRngCore;
use rand::rngs::OsRng;

/// What every token begins with, so that scanners of source code recognise one that leaked.
pub const TOKEN_PREFIX: &str = "hr_";
/// Characters of a token that are kept to recognise it.
const SHOWN: usize = 9;

/// Letters that are not mistaken for each other when read aloud or typed.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The hash under which a secret is stored.
pub fn hash(secret: &str) -> Vec<u8> {
    blake3::hash(secret.as_bytes()).as_bytes().to_vec()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).expect("the system has a source of randomness");
    bytes
}

fn letters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| ALPHABET[usize::from(byte % 32)] as char).collect()
}

/// A new token (200 random bits) and the part of it that is shown later.
pub fn token() -> (String, String) {
    let token = format!("{TOKEN_PREFIX}{}", letters(&random::<40>()));
    let shown = token.chars().take(SHOWN).collect();
    (token, shown)
}

/// A new code to be typed: 60 random bits as `ABCD-EFGH-JKLM`. It is good for hours only, and attempts are throttled.
pub fn typed() -> String {
    let letters = letters(&random::<12>());
    format!("{}-{}-{}", &letters[..4], &letters[4..8], &letters[8..])
}

/// A typed code in the form in which it was made: people leave out hyphens and write small letters.
pub fn normal(typed: &str) -> String {
    let letters: String = typed.chars().filter(char::is_ascii_alphanumeric).take(100).collect();
    let letters = letters.to_ascii_uppercase();
    match letters.len() {
        12 => format!("{}-{}-{}", &letters[..4], &letters[4..8], &letters[8..]),
        _ => letters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_can_be_typed_carelessly() {
        let code = typed();
        assert_eq!(code.len(), 14);
        assert_eq!(normal(&code.to_lowercase().replace('-', " ")), code);
        assert_ne!(typed(), code);
        assert_eq!(normal("ä-1"), "1");
    }

    #[test]
    fn tokens_are_recognised_and_long() {
        let (token, shown) = token();
        assert!(token.starts_with(TOKEN_PREFIX) && token.len() == 43 && token.starts_with(&shown) && shown.len() == 9);
    }
}
