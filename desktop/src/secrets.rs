//! Sign-ins at servers elsewhere, kept in the system's store of secrets where there is one, and nowhere else.

use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context, Result, ensure};
use secret_service::EncryptionType;
use secret_service::blocking::{Collection, SecretService};

use crate::address::Address;
use crate::session::Session;

/// The attribute by which our secrets are found.
const APPLICATION: (&str, &str) = ("application", "org.headroom.desktop");
/// The attribute with the server's address.
const SERVER: &str = "server";

/// What is asked of the store.
#[derive(Debug)]
pub(crate) enum Ask {
    /// What is kept of a server.
    Read(u64, Address),
    /// To keep a session, or to forget one.
    Keep(Address, Option<Session>),
}

/// What the store answered.
#[derive(Debug)]
pub(crate) enum Kept {
    /// To a read: which one, and the session if there is one.
    Session(u64, Option<Session>),
    /// There is no store, or it refuses; told once.
    Missing(String),
}

/// Starts the thread that asks: a locked store asks its person, which takes as long as it takes.
pub(crate) fn start(on_kept: impl Fn(Kept) + Send + 'static) -> Result<Sender<Ask>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("secrets".into()).spawn(move || {
        let mut is_told = false;
        for ask in receiver {
            let failure = match ask {
                Ask::Read(run, address) => match read(&address) {
                    Ok(session) => {
                        on_kept(Kept::Session(run, session));
                        None
                    }
                    Err(error) => {
                        on_kept(Kept::Session(run, None));
                        Some(error)
                    }
                },
                Ask::Keep(address, session) => keep(&address, session.as_ref()).err(),
            };
            if let Some(error) = failure
                && !is_told
            {
                is_told = true;
                on_kept(Kept::Missing(format!(
                    "Sign-ins are not kept on this computer, it has no store of secrets that can be used: {error}. You will \
                     sign in again at the next start."
                )));
            }
        }
    })?;
    Ok(sender)
}

/// Runs some work with the store, unlocked.
fn with_store<T>(work: impl for<'a> FnOnce(&'a Collection<'a>) -> Result<T>) -> Result<T> {
    let service = SecretService::connect(EncryptionType::Dh).context("no service answers")?;
    let store = service.get_default_collection().context("it has no default collection")?;
    if store.is_locked()? {
        store.unlock().context("it is locked")?;
        ensure!(!store.is_locked()?, "it is locked");
    }
    work(&store)
}

fn attributes(address: &Address) -> HashMap<&'static str, &str> {
    HashMap::from([APPLICATION, (SERVER, address.as_str())])
}

fn read(address: &Address) -> Result<Option<Session>> {
    with_store(|store| {
        let found = store.search_items(attributes(address))?;
        let Some(item) = found.first() else { return Ok(None) };
        let secret = item.get_secret()?;
        // What cannot be understood is as good as nothing: one signs in again and it is replaced.
        Ok(std::str::from_utf8(&secret).ok().and_then(|text| Session::read(text).ok()))
    })
}

fn keep(address: &Address, session: Option<&Session>) -> Result<()> {
    with_store(|store| {
        match session {
            Some(session) => {
                let label = format!("Headroom at {}", address.host());
                store.create_item(&label, attributes(address), session.keep()?.as_bytes(), true, "text/plain")?;
            }
            None => {
                for item in store.search_items(attributes(address))? {
                    item.delete()?;
                }
            }
        }
        Ok(())
    })
}
