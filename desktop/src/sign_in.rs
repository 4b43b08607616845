//! Signing in at the server inside, without a password for anybody to know.
//!
//! The demo's accounts are public. At a person's own server the first start makes the one local administrator, with a random key
//! for a password. The key lies beside the database and is as well guarded: whoever can read that folder has the database anyway. The
//! server listens to this machine alone, so the key is of no use elsewhere.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};

use crate::address::Address;
use crate::api;
use crate::folders;
use crate::session::Session;

/// The demo's administrator: its password is on the demo's page.
const DEMO: (&str, &str) = ("admin@demo.example", "demo-headroom");
/// The local administrator.
const LOCAL: (&str, &str) = ("local@this-computer.example", "Local administrator");
/// Random bytes of a key.
const KEY_BYTES: usize = 24;

/// Signs in as the demo's administrator.
pub(crate) fn demo(client: &Client, address: &Address) -> Result<Session> {
    sign_in(client, address, DEMO.0, DEMO.1)
}

/// Signs in as the local administrator. `code` waits for the code that a server without an account prints.
pub(crate) fn local(
    client: &Client,
    address: &Address,
    key_file: &Path,
    code: impl FnOnce() -> Result<String>,
) -> Result<Session> {
    let page = client.get(address.at("/login")).send()?;
    let has_no_account = location(&page).is_some_and(|location| location.starts_with("/setup"));
    if !has_no_account {
        let key = match fs::read_to_string(key_file) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("this server's accounts were not made here: sign in with one of them")
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", key_file.display())),
        };
        return sign_in(client, address, LOCAL.0, key.trim());
    }
    // Written before it is used: an account whose key is lost could not be entered again.
    let key = new_key()?;
    folders::replace(key_file, &key)?;
    set_up(client, address, &code()?, &key)
}

fn new_key() -> Result<String> {
    let mut bytes = [0; KEY_BYTES];
    OsRng.try_fill_bytes(&mut bytes).context("the system has no source of randomness")?;
    let letters = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(letters.filter_map(|half| char::from_digit(u32::from(half), 16)).collect())
}

fn sign_in(client: &Client, address: &Address, email: &str, password: &str) -> Result<Session> {
    post(client, address, "/login", &[("email", email), ("password", password)])
}

fn set_up(client: &Client, address: &Address, code: &str, key: &str) -> Result<Session> {
    post(client, address, "/setup", &[("code", code), ("name", LOCAL.1), ("email", LOCAL.0), ("password", key)])
}

/// Fetches a form and sends it filled in, as a browser would.
fn post(client: &Client, address: &Address, path: &str, fields: &[(&str, &str)]) -> Result<Session> {
    let page = client.get(address.at(path)).send()?;
    ensure!(page.status().is_success(), "{path} answered {}", page.status());
    let sent = cookies(&page);
    let header: Vec<String> = sent.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let csrf = api::csrf_of(&page.text()?).with_context(|| format!("{path} has no form"))?;
    let mut form = fields.to_vec();
    form.push(("csrf", &csrf));
    let answer = client.post(address.at(path)).header(COOKIE, header.join("; ")).form(&form).send()?;
    if answer.status() != StatusCode::SEE_OTHER {
        bail!("{path} answered {}: the account's password was changed, or it was disabled", answer.status());
    }
    let got = cookies(&answer);
    let session = Session::among(got.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    session.with_context(|| format!("{path} gave no session"))
}

fn location(response: &Response) -> Option<&str> {
    response.headers().get(LOCATION)?.to_str().ok()
}

fn cookies(response: &Response) -> Vec<(String, String)> {
    let all = response.headers().get_all(SET_COOKIE).iter();
    let pairs = all.filter_map(|value| value.to_str().ok()?.split(';').next()?.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_never_the_same() {
        let key = new_key().unwrap();
        assert_eq!(key.len(), 2 * KEY_BYTES);
        assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(key, new_key().unwrap());
    }
}
