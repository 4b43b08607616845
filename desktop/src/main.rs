//! Headroom on the desktop: the server's own pages in a native window.
//!
//! Pure parts (`address`, `link`, `profiles`, `place`, `way`, `alerts`, `figures`, `pages`) know nothing of a display; `view`,
//! `chrome`, `title` and `window` are thin around them.

mod address;
mod alerts;
mod api;
mod child;
mod chrome;
mod desk;
mod event;
mod figures;
mod folders;
mod instance;
mod link;
mod notify;
mod pages;
mod place;
mod profiles;
mod secrets;
mod server;
mod session;
mod sign_in;
mod title;
mod tray;
mod view;
mod watch;
mod way;
mod window;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::address::Address;
use crate::folders::Folders;
use crate::instance::{Start, Wish};

/// Headroom in a window of its own: a server elsewhere, or one inside that starts and stops with the window.
#[derive(Debug, Parser)]
#[command(name = "headroom-desktop", version, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// A link to an alert, `headroom://alerts/NUMBER`
    link: Option<String>,
    /// The address of a server elsewhere, such as headroom.example.org; it is remembered
    #[arg(long, value_name = "URL", conflicts_with_all = ["demo", "here"])]
    address: Option<String>,
    /// What that address is to be called, or which remembered one to show
    #[arg(long, value_name = "NAME", conflicts_with_all = ["demo", "here"])]
    profile: Option<String>,
    /// The made-up world, on a server inside
    #[arg(long, conflicts_with = "here")]
    demo: bool,
    /// Your own data, on a server inside
    #[arg(long)]
    here: bool,
    /// The program of the server inside [default: headroom beside this program]
    #[arg(long, env = "HEADROOM_BIN", value_name = "FILE")]
    server: Option<PathBuf>,
    /// Where the data of servers inside goes [default: headroom below the desktop's folder of data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Say on standard output what happens
    #[arg(long)]
    verbose: bool,
    /// Further arguments of the server inside
    #[arg(last = true)]
    further: Vec<OsString>,
}

const EXAMPLES: &str = "Examples:
  headroom-desktop                                             what was shown last; at first a server inside
  headroom-desktop --address https://headroom.example.org      a server elsewhere
  headroom-desktop --demo                                      the made-up world
  headroom-desktop headroom://alerts/7                         an alert of the server that is shown

Settings are in ~/.config/headroom/desktop.toml, data in ~/.local/share/headroom.";

impl Options {
    /// What this start asks for, checked before anybody is told.
    fn wish(&self) -> Result<Wish> {
        if let Some(link) = &self.link {
            link::path(link)?;
        }
        if let Some(address) = &self.address {
            Address::parse(address)?;
        }
        let inside = if self.demo { Some("demo") } else { self.here.then_some("here") };
        let profile = inside.map(str::to_owned).or_else(|| self.profile.clone());
        Ok(Wish { link: self.link.clone(), address: self.address.clone(), profile })
    }
}

fn run(options: Options) -> Result<()> {
    let wish = options.wish()?;
    let folders = Folders::of_the_desktop(options.data_dir.as_deref())?;
    match instance::start(folders.runtime(), &wish)? {
        Start::First(first) => window::run(options, folders, &first, wish),
        Start::Told => {
            println!("Headroom is open already and was told");
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(arguments: &[&str]) -> Result<Wish> {
        let all = ["headroom-desktop"].iter().chain(arguments);
        Options::try_parse_from(all)?.wish()
    }

    #[test]
    fn a_start_says_what_it_wants() {
        assert_eq!(wish(&[]).unwrap(), Wish::default());
        assert_eq!(wish(&["--demo"]).unwrap().profile.as_deref(), Some("demo"));
        assert_eq!(wish(&["--here"]).unwrap().profile.as_deref(), Some("here"));
        let named = wish(&["--address", "https://a.example", "--profile", "work"]).unwrap();
        assert_eq!((named.address.as_deref(), named.profile.as_deref()), (Some("https://a.example"), Some("work")));
        assert_eq!(wish(&["headroom://alerts/7"]).unwrap().link.as_deref(), Some("headroom://alerts/7"));
        for wrong in [
            &["https://a.example"][..],
            &["headroom://alerts/x"],
            &["--address", "http://a.example"],
            &["--demo", "--here"],
            &["--demo", "--address", "https://a.example"],
        ] {
            assert!(wish(wrong).is_err(), "{wrong:?}");
        }
    }
}
