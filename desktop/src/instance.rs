//! One application for a person: a second start tells the first what is wanted, and ends.
//!
//! A lock says who is the first, for as long as its process lives however it ends; a socket beside it takes wishes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::folders;

/// Longest wish that is read, bytes.
const MAX_WISH: u64 = 8_192;
/// How long one waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a second start wants of the first. It is checked anew by whoever gets it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// A link into the application.
    pub(crate) link: Option<String>,
    /// An address to show.
    pub(crate) address: Option<String>,
    /// Name of a profile to show.
    pub(crate) profile: Option<String>,
}

/// What a start found.
#[derive(Debug)]
pub(crate) enum Start {
    /// Nobody else: this is the first.
    First(First),
    /// Somebody else, who was told.
    Told,
}

/// The first holds the lock until its process ends.
#[derive(Debug)]
pub(crate) struct First {
    _lock: File,
    socket: UnixListener,
}

/// Becomes the first, or tells the first.
pub(crate) fn start(folder: &Path, wish: &Wish) -> Result<Start> {
    folders::private(folder)?;
    let (lock_file, socket_file) = (folder.join("desktop.lock"), folder.join("desktop.socket"));
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_file);
    let lock = opened.with_context(|| format!("cannot open {}", lock_file.display()))?;
    match lock.try_lock() {
        Ok(()) => {
            // What a first left that is gone.
            match fs::remove_file(&socket_file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", socket_file.display()));
                }
                _ => {}
            }
            let socket = UnixListener::bind(&socket_file)
                .with_context(|| format!("cannot listen at {}", socket_file.display()))?;
            Ok(Start::First(First { _lock: lock, socket }))
        }
        Err(TryLockError::WouldBlock) => {
            tell(&socket_file, wish)?;
            Ok(Start::Told)
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", lock_file.display())),
    }
}

fn tell(socket_file: &Path, wish: &Wish) -> Result<()> {
    let told = || -> Result<String> {
        let mut stream = UnixStream::connect(socket_file)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        writeln!(stream, "{}", serde_json::to_string(wish)?)?;
        let mut answer = String::new();
        stream.take(MAX_WISH).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = told().context("Headroom is open already and does not answer")?;
    if answer.trim() != "done" {
        bail!("Headroom is open already and did not understand: {}", answer.trim());
    }
    Ok(())
}

impl First {
    /// Takes wishes for as long as the process lives, on a thread of its own.
    pub(crate) fn listen(&self, on_wish: impl Fn(Wish) + Send + 'static) -> Result<()> {
        let socket = self.socket.try_clone()?;
        std::thread::Builder::new().name("wishes".into()).spawn(move || {
            for stream in socket.incoming().flatten() {
                // Only this person's own programs reach the socket; one that says nothing is not waited for.
                let _ = take(&stream).map(&on_wish);
            }
        })?;
        Ok(())
    }
}

fn take(stream: &UnixStream) -> Result<Wish> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(MAX_WISH)).read_line(&mut line)?;
    let read = || -> Result<Wish> {
        ensure!(line.ends_with('\n'), "the wish is longer than {MAX_WISH} bytes or broken off");
        Ok(serde_json::from_str(&line)?)
    };
    let wish = read();
    let mut answer = stream;
    match &wish {
        Ok(_) => answer.write_all(b"done\n")?,
        Err(error) => writeln!(answer, "{error}")?,
    }
    wish
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn first(folder: &Path) -> First {
        match start(folder, &Wish::default()).unwrap() {
            Start::First(first) => first,
            Start::Told => panic!("somebody else is first"),
        }
    }

    #[test]
    fn a_second_start_tells_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, receiver) = channel();
        let one = first(folder.path());
        one.listen(move |wish| sender.send(wish).unwrap()).unwrap();
        let wish = Wish { link: Some("headroom://alerts/7".into()), ..Wish::default() };
        assert!(matches!(start(folder.path(), &wish).unwrap(), Start::Told));
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), wish);
    }

    #[test]
    fn nonsense_is_answered_and_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, receiver) = channel();
        let one = first(folder.path());
        one.listen(move |wish| sender.send(wish).unwrap()).unwrap();
        for nonsense in ["{\"rm\": 1}\n".to_owned(), "\n".to_owned(), format!("\"{}\"\n", "x".repeat(20_000))] {
            let mut stream = UnixStream::connect(folder.path().join("desktop.socket")).unwrap();
            // The other end may close before it has all of what is too long.
            let _ = stream.write_all(nonsense.as_bytes());
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            assert!(!answer.contains("done"), "{answer}");
        }
        assert!(matches!(start(folder.path(), &Wish::default()).unwrap(), Start::Told));
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), Wish::default(), "only what made sense came through");
    }

    #[test]
    fn after_the_first_is_gone_another_is_first() {
        let folder = tempfile::tempdir().unwrap();
        drop(first(folder.path()));
        assert!(folder.path().join("desktop.socket").exists(), "as after a kill, the socket's name is left");
        drop(first(folder.path()));
    }
}
