//! What the window is told, from other threads and from its own parts.

use crate::address::Address;
use crate::desk::Back;
use crate::instance::Wish;
use crate::secrets::Kept;
use crate::session::Session;
use crate::watch::News;

/// Something happened. A `run` is the number of the server that was being shown then: news of an earlier one is no news.
#[derive(Debug)]
pub(crate) enum Event {
    /// A page was loaded.
    Loaded(String),
    /// Its title.
    Titled(String),
    /// Something for people to read.
    Sentence(String),
    /// Somebody wants the server inside started again.
    Again,
    /// Somebody typed an address.
    Address(String),
    /// Somebody typed a name for the address that is shown.
    Name(String),
    /// A menu or key.
    Command(Command),
    /// The server inside listens, and its person is signed in, or not for a reason.
    Ready {
        /// Which run.
        run: u64,
        /// Where.
        address: Address,
        /// In whose name.
        session: Result<Session, String>,
    },
    /// The servers that were on their way out are gone.
    Free(u64),
    /// The server inside ended by itself.
    Ended(u64),
    /// The secret store answered.
    Kept(Kept),
    /// It has been waited for long enough.
    StoreIsSlow(u64),
    /// Time to sign in again at the server inside.
    SignInAgain(u64),
    /// A second start wants something.
    Asked(Wish),
    /// News of alerts.
    News(u64, News),
    /// The desktop answered.
    Back(Back),
}

/// What a menu or key does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// One page back.
    Back,
    /// One page forward.
    Forward,
    /// The page anew.
    Reload,
    /// Print it.
    Print,
    /// Larger (1), smaller (-1), as usual (0).
    Zoom(i32),
    /// Show a profile, by its name.
    Show(String),
    /// Ask for an address.
    AskAddress,
    /// Ask for a name for the address that is shown.
    AskName,
    /// Forget the address that is shown.
    Forget,
    /// End.
    Quit,
}
