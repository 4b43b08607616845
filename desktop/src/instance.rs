//! One application for a person: a second start tells the first what is wanted, and ends.
//!
//! A lock says who is the first, for as long as its process lives however it ends; a socket beside it takes wishes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::folders;

/// Longest wish that is read, bytes.
const MAX_WISH: u64 = 8_192;
/// How long one waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// A first that ends may have a server inside, which has a minute for it.
const ENDING: Duration = Duration::from_secs(90);
/// One looks this often whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// The answer of a first that took a wish.
const DONE: &str = "done";
/// The answer of a first that takes none any more.
const IS_ENDING: &str = "ending";

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
    is_ending: Arc<AtomicBool>,
}

/// What came of telling the first.
enum Answer {
    Done,
    /// It is on its way out, or nobody listens yet or any more.
    NotNow {
        is_ending: bool,
        why: Error,
    },
}

/// Becomes the first, or tells the first. While the first ends, one waits for its place.
pub(crate) fn start(folder: &Path, wish: &Wish) -> Result<Start> {
    folders::private(folder)?;
    let (lock_file, socket_file) = (folder.join("desktop.lock"), folder.join("desktop.socket"));
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_file);
    let lock = opened.with_context(|| format!("cannot open {}", lock_file.display()))?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", lock_file.display()));
            }
        }
        match tell(&socket_file, wish)? {
            Answer::Done => return Ok(Start::Told),
            Answer::NotNow { is_ending, why } => {
                if began.elapsed() >= if is_ending { ENDING } else { PATIENCE } {
                    return Err(why.context("Headroom is open already and does not answer"));
                }
            }
        }
        std::thread::sleep(LOOK);
    }
    // What a first left that is gone.
    match fs::remove_file(&socket_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", socket_file.display()));
        }
        _ => {}
    }
    let socket =
        UnixListener::bind(&socket_file).with_context(|| format!("cannot listen at {}", socket_file.display()))?;
    Ok(Start::First(First { _lock: lock, socket, is_ending: Arc::default() }))
}

fn tell(socket_file: &Path, wish: &Wish) -> Result<Answer> {
    let stream = match UnixStream::connect(socket_file) {
        Ok(stream) => stream,
        // The first has its place before it listens, and gives it back after it stopped.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(Answer::NotNow { is_ending: false, why: error.into() });
        }
        Err(error) => return Err(error).context("Headroom is open already and does not answer"),
    };
    let told = || -> Result<String> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut there = &stream;
        writeln!(there, "{}", serde_json::to_string(wish)?)?;
        let mut answer = String::new();
        there.take(MAX_WISH).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = match told() {
        Ok(answer) => answer,
        // It went while it was being told.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(is_gone) => {
            return Ok(Answer::NotNow { is_ending: false, why: error });
        }
        Err(error) => return Err(error.context("Headroom is open already and does not answer")),
    };
    match answer.trim() {
        DONE => Ok(Answer::Done),
        IS_ENDING => Ok(Answer::NotNow { is_ending: true, why: Error::msg("it takes long to end") }),
        "" => Ok(Answer::NotNow { is_ending: false, why: Error::msg("it said nothing") }),
        other => bail!("Headroom is open already and did not understand: {other}"),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl First {
    /// Takes wishes for as long as the process lives, on a thread of its own.
    pub(crate) fn listen(&self, on_wish: impl Fn(Wish) + Send + 'static) -> Result<()> {
        let (socket, is_ending) = (self.socket.try_clone()?, Arc::clone(&self.is_ending));
        std::thread::Builder::new().name("wishes".into()).spawn(move || {
            for stream in socket.incoming().flatten() {
                // Only this person's own programs reach the socket; one that says nothing is not waited for.
                let _ = take(&stream, &is_ending).map(|wish| wish.map(&on_wish));
            }
        })?;
        Ok(())
    }

    /// From now on no wish is taken: whoever has one waits for this place.
    pub(crate) fn ends(&self) {
        self.is_ending.store(true, Ordering::SeqCst);
    }
}

/// Reads a wish and answers; none while we end.
fn take(stream: &UnixStream, is_ending: &AtomicBool) -> Result<Option<Wish>> {
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
        Ok(_) if is_ending.load(Ordering::SeqCst) => {
            writeln!(answer, "{IS_ENDING}")?;
            return Ok(None);
        }
        Ok(_) => writeln!(answer, "{DONE}")?,
        Err(error) => writeln!(answer, "{error}")?,
    }
    wish.map(Some)
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
    fn a_start_while_the_first_ends_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, receiver) = channel();
        let one = first(folder.path());
        one.listen(move |wish| sender.send(wish).unwrap()).unwrap();
        one.ends();
        let (place, wish) = (folder.path().to_owned(), Wish { profile: Some("demo".into()), ..Wish::default() });
        let second = std::thread::spawn(move || start(&place, &wish).unwrap());
        std::thread::sleep(4 * LOOK);
        assert!(!second.is_finished(), "there is one at a time");
        drop(one);
        assert!(matches!(second.join().unwrap(), Start::First(_)));
        assert!(receiver.try_recv().is_err(), "who ends takes no wish");
    }

    #[test]
    fn a_first_that_does_not_listen_yet_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let one = first(folder.path());
        fs::remove_file(folder.path().join("desktop.socket")).unwrap();
        let place = folder.path().to_owned();
        let second = std::thread::spawn(move || start(&place, &Wish::default()).unwrap());
        std::thread::sleep(4 * LOOK);
        drop(one);
        assert!(matches!(second.join().unwrap(), Start::First(_)));
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
