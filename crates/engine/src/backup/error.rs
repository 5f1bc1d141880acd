//! Why a file cannot be used as a backup.

/// Why a file cannot be used as a backup. Whoever wanted to restore it still has what was there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// It is something else.
    #[error("it is no backup that `chantal db backup` wrote")]
    Foreign,
    /// Its end is missing.
    #[error("it is cut short: {found} of {expected} bytes are there")]
    Truncated {
        /// Bytes that are there.
        found: u64,
        /// Bytes that it had.
        expected: u64,
    },
    /// Bytes were changed.
    #[error("it is damaged: {0}")]
    Altered(String),
    /// A newer program wrote it in another form.
    #[error("it has format version {found}, this program reads up to {known}")]
    Format {
        /// Its version.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// A newer program wrote it.
    #[error("it holds schema version {found}, this program knows up to {known}")]
    Schema {
        /// Its version.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// Its tables are not those of the schema that it names.
    #[error("its content is not that of schema version {version}: {what}")]
    Misfit {
        /// The schema.
        version: i64,
        /// What does not fit.
        what: String,
    },
}

impl BackupError {
    /// Whether the file is damaged, rather than of another kind.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Altered(_) | Self::Misfit { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Foreign => "`chantal db backup-list` shows those that are there",
            Self::Truncated { .. } | Self::Altered(_) | Self::Misfit { .. } => {
                "nothing was changed; copy it again from where it was kept, or take an older one"
            }
            Self::Format { .. } | Self::Schema { .. } => {
                "nothing was changed; a newer version of chantal wrote it: use that version"
            }
        }
    }
}
