//! The places that a person opened, and which was the last. A file that people may read and edit.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::address::Address;

/// Most places that are remembered.
const MOST: usize = 50;
/// Longest name.
const MAX_NAME: usize = 60;

/// What a window shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A server of its own on this machine, with this person's data.
    Here,
    /// The made-up world, on a server of its own on this machine.
    Demo,
    /// A server elsewhere.
    Remote {
        /// What it is called.
        name: String,
        /// Where it is.
        address: Address,
    },
}

impl Profile {
    /// The word that is remembered and typed.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Here => "here",
            Self::Demo => "demo",
            Self::Remote { name, .. } => name,
        }
    }

    /// What people read.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Here => "This computer".to_owned(),
            Self::Demo => "Demo world".to_owned(),
            Self::Remote { name, address } if *name == address.host() => name.clone(),
            Self::Remote { name, address } => format!("{name} ({})", address.host()),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    /// Name of the one that was shown last.
    last: Option<String>,
    #[serde(default, rename = "profile")]
    profiles: Vec<StoredProfile>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredProfile {
    name: String,
    address: String,
}

/// The file and what is in it.
#[derive(Debug)]
pub(crate) struct Profiles {
    file: PathBuf,
    last: Option<String>,
    remotes: Vec<(String, Address)>,
}

impl Profiles {
    /// Reads the file; one that is not there is empty, one that cannot be understood is told and left as it is.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        let stored: Stored = toml::from_str(&text).with_context(|| format!("{shown} is not as expected"))?;
        let mut remotes = Vec::new();
        for profile in stored.profiles.into_iter().take(MOST) {
            let address = Address::parse(&profile.address)
                .with_context(|| format!("{shown}: the address of {:?} is wrong", profile.name))?;
            check_name(&profile.name).with_context(|| format!("{shown}: a name is wrong"))?;
            ensure!(
                remotes.iter().all(|(name, known)| *name != profile.name && *known != address),
                "{shown}: {:?} is there twice; expected a name and an address of its own",
                profile.name
            );
            remotes.push((profile.name, address));
        }
        Ok(Self { file: file.to_owned(), last: stored.last, remotes })
    }

    /// Those on other machines.
    pub(crate) fn remotes(&self) -> impl Iterator<Item = Profile> + '_ {
        self.remotes.iter().map(|(name, address)| Profile::Remote { name: name.clone(), address: address.clone() })
    }

    /// The one that was shown last, or this computer.
    pub(crate) fn last(&self) -> Profile {
        self.last.as_deref().and_then(|name| self.named(name)).unwrap_or(Profile::Here)
    }

    /// The one with a name.
    pub(crate) fn named(&self, name: &str) -> Option<Profile> {
        match name {
            "here" => Some(Profile::Here),
            "demo" => Some(Profile::Demo),
            _ => self.remotes().find(|profile| profile.name() == name),
        }
    }

    /// The one at an address, which is remembered from now on, under the name if one is given.
    pub(crate) fn at(&mut self, address: Address, name: Option<&str>) -> Result<Profile> {
        if let Some(name) = name {
            check_name(name)?;
            ensure!(
                self.remotes.iter().all(|(known, other)| known != name || *other == address),
                "another address is called {name:?}; expected a name of its own"
            );
        }
        let known = self.remotes.iter_mut().find(|(_, known)| *known == address);
        let name = match (known, name) {
            (Some((known, _)), None) => known.clone(),
            (Some((known, _)), Some(name)) => {
                name.clone_into(known);
                name.to_owned()
            }
            (None, name) => {
                let name = name.map_or_else(|| address.host(), str::to_owned);
                ensure!(
                    self.remotes.iter().all(|(known, _)| *known != name),
                    "another address is called {name:?}; expected a name of its own"
                );
                ensure!(self.remotes.len() < MOST, "{MOST} addresses are remembered already; forget one first");
                self.remotes.push((name.clone(), address.clone()));
                name
            }
        };
        self.write()?;
        Ok(Profile::Remote { name, address })
    }

    /// Notes which one is shown.
    pub(crate) fn shown(&mut self, profile: &Profile) -> Result<()> {
        self.last = Some(profile.name().to_owned());
        self.write()
    }

    /// Forgets one.
    pub(crate) fn forget(&mut self, name: &str) -> Result<()> {
        self.remotes.retain(|(known, _)| known != name);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let profiles = self
            .remotes
            .iter()
            .map(|(name, address)| StoredProfile { name: name.clone(), address: address.as_str().to_owned() });
        let stored = Stored { last: self.last.clone(), profiles: profiles.collect() };
        crate::folders::replace(&self.file, &toml::to_string(&stored)?)
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_fine = !name.trim().is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control);
    ensure!(is_fine, "{name:?} is no name; expected 1 to {MAX_NAME} characters on one line");
    ensure!(!matches!(name, "here" | "demo"), "{name:?} is taken: it means a server on this computer");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_opened_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/desktop.toml");
        let mut profiles = Profiles::read(&file).unwrap();
        assert_eq!(profiles.last(), Profile::Here);

        let address = Address::parse("headroom.example.org").unwrap();
        let first = profiles.at(address.clone(), None).unwrap();
        assert_eq!((first.name(), first.label().as_str()), ("headroom.example.org", "headroom.example.org"));
        let second = profiles.at(Address::parse("https://other.example:8443").unwrap(), Some("work")).unwrap();
        profiles.shown(&second).unwrap();

        let mut again = Profiles::read(&file).unwrap();
        assert_eq!(again.last(), second);
        assert_eq!(second.label(), "work (other.example:8443)");
        assert_eq!(again.remotes().count(), 2);
        assert_eq!(again.named("demo"), Some(Profile::Demo));
        assert_eq!(again.at(address.clone(), None).unwrap(), first, "an address is remembered once");
        let renamed = again.at(address, Some("home")).unwrap();
        assert_eq!((renamed.name(), again.remotes().count()), ("home", 2));
        again.forget("work").unwrap();
        assert_eq!(Profiles::read(&file).unwrap().last(), Profile::Here, "what was forgotten is not opened again");
    }

    #[test]
    fn names_and_files_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("desktop.toml");
        let mut profiles = Profiles::read(&file).unwrap();
        let address = |host: &str| Address::parse(host).unwrap();
        for wrong in ["", " ", "demo", "here", "a\nb", &"x".repeat(61)] {
            assert!(profiles.at(address("a.example"), Some(wrong)).is_err(), "{wrong:?}");
        }
        profiles.at(address("a.example"), Some("a")).unwrap();
        assert!(profiles.at(address("b.example"), Some("a")).is_err(), "one name for two");
        profiles.at(address("b.example"), Some("b")).unwrap();
        assert!(profiles.at(address("b.example"), Some("a")).is_err(), "one name for two, by another way");
        assert_eq!(profiles.at(address("b.example"), Some("b")).unwrap().name(), "b");
        let twice = "[[profile]]\nname = \"a\"\naddress = \"https://a.example\"\n";

        for wrong in
            [&twice.repeat(2), "profile = 1", "[[profile]]\nname = \"a\"\naddress = \"http://a.example\"\n", "\u{0}"]
        {
            fs::write(&file, wrong).unwrap();
            let refusal = format!("{:#}", Profiles::read(&file).unwrap_err());
            assert!(refusal.contains("desktop.toml"), "{refusal}");
            assert_eq!(fs::read_to_string(&file).unwrap(), wrong);
        }
    }
}
