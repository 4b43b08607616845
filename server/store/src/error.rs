//! What can go wrong between a statement and its meaning.

/// Result of a store function.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Facts about a statement that failed. No status codes: the doors decide those.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique name is taken.
    #[error("{what} {value:?} exists already")]
    Taken {
        /// The noun and field, such as `pool slug`.
        what: &'static str,
        /// The value that is taken.
        value: String,
    },
    /// The row changed since it was read.
    #[error("{what} was changed meanwhile: it is at version {found}, the change was made on version {expected}")]
    Stale {
        /// The noun.
        what: &'static str,
        /// The version the caller had seen.
        expected: i32,
        /// The version stored.
        found: i32,
    },
    /// A value breaks a rule of the schema.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field that is wrong.
        field: &'static str,
        /// What was expected.
        problem: String,
    },
    /// Stored bytes cannot be read.
    #[error("stored history of {what} is damaged: {problem}")]
    Damaged {
        /// Table and key.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// PostgreSQL answered with an error, or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl StoreError {
    /// The constraint a failed statement ran into, if it was one.
    pub fn constraint(error: &sqlx::Error) -> Option<&str> {
        error.as_database_error().and_then(|e| e.constraint())
    }

    /// True where the database's disk is full: reading goes on, and writing will when somebody makes room.
    pub fn is_out_of_room(&self) -> bool {
        /// `disk_full`
        const DISK_FULL: &str = "53100";
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code == DISK_FULL)
    }

    /// True where the database is out of reach or out of room, so that waiting may help.
    pub fn is_unavailable(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => true,
            // 08 connection, 53 resources (disk full), 57 shutting down or cancelled, 58 system,
            // 25006 read-only: a server that is going away, recovering, or full; 55P03 lock timeout.
            sqlx::Error::Database(e) => e.code().is_some_and(|code| {
                ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
                    || code == "25006"
                    || code == "55P03"
            }),
            _ => false,
        }
    }
}
