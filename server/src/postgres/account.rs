//! Who runs the private server: ourselves, or, when we are root, somebody else, because PostgreSQL refuses root.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, User, getegid, geteuid};

use super::PostgresError;

/// The account a private server runs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    pub(super) name: String,
    /// True when we are root and child processes must switch to it.
    pub(super) switch: bool,
}

impl Account {
    fn named(user: User) -> Self {
        Self { uid: user.uid, gid: user.gid, name: user.name, switch: true }
    }

    /// Picks the account for the cluster in this folder, which may not exist yet.
    pub(super) fn choose(cluster: &Path) -> Result<Self, PostgresError> {
        let owner = std::fs::metadata(cluster).ok().map(|meta| Uid::from_raw(meta.uid()));
        let me = geteuid();
        if !me.is_root() {
            if let Some(owner) = owner.filter(|owner| *owner != me) {
                return Err(PostgresError::NotOurs {
                    path: cluster.to_owned(),
                    owner: name_of(owner),
                    me: name_of(me),
                });
            }
            return Ok(Self { uid: me, gid: getegid(), name: name_of(me), switch: false });
        }
        // Root on an ordinary user's data directory goes on as that user, so that the user can start it again later.
        let owner = owner.filter(|uid| !uid.is_root()).and_then(|uid| User::from_uid(uid).ok().flatten());
        let by_name = |name| User::from_name(name).ok().flatten();
        owner
            .or_else(|| by_name("postgres"))
            .or_else(|| by_name("nobody"))
            .map(Self::named)
            .ok_or(PostgresError::NoAccount)
    }

    /// Gives a path that we made as root to the account.
    pub(super) fn own(&self, path: &Path) -> Result<(), PostgresError> {
        if !self.switch {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
            .map_err(PostgresError::io("change the owner of", path))
    }
}

/// A user's name for a message, or the number where it has none.
pub(super) fn name_of(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
