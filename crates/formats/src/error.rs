//! What can be wrong with metadata.

use chantal_model::ItemKind;

/// Why metadata could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Not what the specification describes.
    #[error("{file}: {reason}{}", at.map(|at| format!(" at byte {at}")).unwrap_or_default())]
    Malformed {
        /// Which metadata file, as upstream names it.
        file: String,
        /// What is wrong, with the offending text where that is short.
        reason: String,
        /// Offset in the decompressed bytes, where known.
        at: Option<u64>,
    },
    /// The decompressed bytes are not what was promised, or the promise is too weak.
    #[error("{file}: {reason}")]
    Refused {
        /// Which metadata file.
        file: String,
        /// Expected and actual value.
        reason: String,
    },
    /// Nothing that can be relied on is promised about a file.
    #[error("{file}: {}", match algorithm {
        Some(algorithm) => format!("it is promised by {algorithm} only, which is too weak"),
        None => "no digest of it is promised".to_owned(),
    })]
    Weak {
        /// The file, or what else is promised.
        file: String,
        /// What is promised.
        algorithm: Option<chantal_model::Algorithm>,
    },
    /// A limit was exceeded.
    #[error("{file}: {what} exceeds {limit}")]
    Limit {
        /// Which metadata file.
        file: String,
        /// What exceeded the limit.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// The format asked for a file that the engine did not give it.
    #[error("{file} is missing")]
    Missing {
        /// Which metadata file.
        file: String,
    },
    /// Verified bytes could not be read, or rendered bytes not written.
    #[error("{file}")]
    Io {
        /// Which file.
        file: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The receiver asked to stop; it knows why.
    #[error("stopped")]
    Stopped,
}

impl FormatError {
    /// Shorthand for [`FormatError::Malformed`] without an offset.
    pub fn malformed(file: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed {
            file: file.into(),
            reason: reason.into(),
            at: None,
        }
    }
}

/// One record that could not be read, while the rest could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Which metadata file.
    pub file: String,
    /// What it should have been.
    pub kind: ItemKind,
    /// Position of the record in its file, counted from 0.
    pub index: u64,
    /// The package's name or what stands in its place, if it could be read.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}
