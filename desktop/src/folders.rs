//! Where things are kept: settings, data, what the window looked like.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder below each of the desktop's folders.
const OURS: &str = "headroom";

/// The folders of a person.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// Settings.
    config: PathBuf,
    /// What is remembered and can be lost.
    state: PathBuf,
    /// Databases.
    data: PathBuf,
    /// What lasts as long as somebody is signed in at this computer.
    runtime: PathBuf,
}

impl Folders {
    /// As the desktop says; `data_dir` is for databases instead, if it is given.
    pub(crate) fn of_the_desktop(data_dir: Option<&Path>) -> Result<Self> {
        let nowhere = "this account has no home folder; set HOME";
        let state = dirs::state_dir().context(nowhere)?.join(OURS);
        Ok(Self {
            config: dirs::config_dir().context(nowhere)?.join(OURS),
            runtime: dirs::runtime_dir().map_or_else(|| state.clone(), |runtime| runtime.join(OURS)),
            data: match data_dir {
                Some(folder) => std::path::absolute(folder)?,
                None => dirs::data_dir().context(nowhere)?.join(OURS),
            },
            state,
        })
    }

    /// The file of profiles.
    pub(crate) fn profiles(&self) -> PathBuf {
        self.config.join("desktop.toml")
    }

    /// The file of the window's place.
    pub(crate) fn place(&self) -> PathBuf {
        self.state.join("window.json")
    }

    /// The folder of the data of servers inside.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The folder of the lock and socket by which a second start finds the first.
    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }
}

/// Makes a folder that only this person can enter, if it is not there.
pub(crate) fn private(folder: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Makes a folder for a server's data. PostgreSQL refuses to run as root, so there another account has to get in.
pub(crate) fn for_data(folder: &Path) -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
        return made.with_context(|| format!("cannot make the folder {}", folder.display()));
    }
    private(folder)
}

/// Writes a file anew, all or nothing, for this person's eyes only.
pub(crate) fn replace(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    if !folder.is_dir() {
        private(folder)?;
    }
    let wrote = || -> Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(file)?;
        Ok(())
    };
    wrote().with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("below/file");
        replace(&file, "one").unwrap();
        replace(&file, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.path().join("below").metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(folder.path().join("below")).unwrap().count(), 1, "nothing is left beside it");
        assert!(replace(Path::new("/proc/none/file"), "x").is_err());
    }
}
