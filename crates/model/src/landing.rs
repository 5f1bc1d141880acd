//! Where fetched bytes land, and what they are checked against.

use std::fmt;
use std::io;

use crate::digest::{Algorithm, Digest, Digester, Sha256};

/// What metadata says about a file before it is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// Exact size in bytes, where it is known.
    pub size: Option<u64>,
    /// Digests that must all match.
    pub digests: Vec<Digest>,
}

impl Promise {
    /// The algorithms that a pass over the bytes must compute, SHA-256 aside.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.digests.iter().map(Digest::algorithm)
    }

    /// The promised SHA-256, if there is one.
    pub fn sha256(&self) -> Option<Sha256> {
        self.digests.iter().find_map(Digest::sha256)
    }

    /// Compares what came with what was promised.
    ///
    /// # Errors
    /// The first of size, SHA-256 and other digests that differs, with both values.
    pub fn check(&self, size: u64, sha256: Sha256, others: &[Digest]) -> Result<(), Mismatch> {
        if let Some(expected) = self.size
            && expected != size
        {
            return Err(Mismatch::Size { expected, actual: size });
        }
        for expected in &self.digests {
            let actual = match expected.algorithm() {
                Algorithm::Sha256 => Some(Digest::from(sha256)),
                algorithm => others.iter().find(|other| other.algorithm() == algorithm).cloned(),
            };
            if actual.as_ref() != Some(expected) {
                return Err(Mismatch::Digest {
                    expected: expected.clone(),
                    actual,
                });
            }
        }
        Ok(())
    }
}

/// Bytes that are not what was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another number of bytes.
    Size {
        /// What metadata promised.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// Another digest, or one that nobody computed.
    Digest {
        /// What metadata promised.
        expected: Digest,
        /// What came.
        actual: Option<Digest>,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { expected, actual } => write!(f, "expected {expected} bytes, got {actual}"),
            Self::Digest {
                expected,
                actual: Some(actual),
            } => write!(f, "expected {expected}, got {actual}"),
            Self::Digest { expected, actual: None } => write!(f, "expected {expected}, which was not computed"),
        }
    }
}

/// A place that takes the bytes of one file, in order, hashing them as they come.
///
/// The pool's temporary files are landings, and so is [`Memory`]. A fetch that is resumed goes on writing where it
/// stopped; one that must start anew calls [`Landing::restart`].
pub trait Landing: Send {
    /// How many bytes have landed.
    fn len_bytes(&self) -> u64;
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Forgets all that has landed.
    fn restart(&mut self) -> io::Result<()>;
    /// Digests of what has landed: SHA-256, then those that were asked for when the landing was made.
    fn digests(&self) -> (Sha256, Vec<Digest>);
    /// What an earlier run noted about the part that has landed already; `None` where it cannot be gone on with.
    fn note(&self) -> Option<Note> {
        None
    }
    /// Notes what the part that lands now belongs to, so that a later run can go on with it; [`Landing::restart`]
    /// forgets it. A landing that keeps no parts does nothing.
    fn set_note(&mut self, _: Option<Note>) {}
}

/// What a part of a file belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Digest of the URL, which may hold a token.
    pub place: Sha256,
    /// The validator by which the server can tell that the part is of the same bytes.
    pub validator: String,
}

impl Note {
    /// Notes a part of what is at `url`.
    pub fn new(url: &str, validator: impl Into<String>) -> Self {
        Self {
            place: Sha256::of(url.as_bytes()),
            validator: validator.into(),
        }
    }

    /// Whether the part came from `url`.
    pub fn is_of(&self, url: &str) -> bool {
        self.place == Sha256::of(url.as_bytes())
    }
}

/// A landing in memory, for small files.
pub struct Memory {
    bytes: Vec<u8>,
    algorithms: Vec<Algorithm>,
}

impl Memory {
    /// Makes an empty landing that will compute SHA-256 and `algorithms`.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            bytes: Vec::new(),
            algorithms: algorithms.into_iter().collect(),
        }
    }

    /// The bytes that landed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the bytes away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Landing for Memory {
    fn len_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.bytes.clear();
        Ok(())
    }

    fn digests(&self) -> (Sha256, Vec<Digest>) {
        let mut digester = Digester::new(self.algorithms.iter().copied());
        digester.update(&self.bytes);
        digester.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landed(bytes: &[u8], algorithms: &[Algorithm]) -> Memory {
        let mut memory = Memory::new(algorithms.iter().copied());
        memory.write(bytes).unwrap();
        memory
    }

    #[test]
    fn every_promised_digest_must_match() {
        let memory = landed(b"abc", &[Algorithm::Sha1]);
        let (sha256, others) = memory.digests();
        let mut promise = Promise {
            size: Some(3),
            digests: vec![sha256.into(), others[0].clone()],
        };
        assert_eq!(promise.check(3, sha256, &others), Ok(()));

        promise.digests[1] = Digest::from_bytes(Algorithm::Sha1, &[0; 20]).unwrap();
        assert!(matches!(
            promise.check(3, sha256, &others),
            Err(Mismatch::Digest { .. })
        ));
    }

    #[test]
    fn a_size_that_lies_is_refused_though_the_digest_is_right() {
        let (sha256, others) = landed(b"abc", &[]).digests();
        let promise = Promise {
            size: Some(4),
            digests: vec![sha256.into()],
        };
        assert_eq!(
            promise.check(3, sha256, &others),
            Err(Mismatch::Size { expected: 4, actual: 3 })
        );
    }

    #[test]
    fn a_digest_that_nobody_computed_does_not_match() {
        let (sha256, others) = landed(b"abc", &[]).digests();
        let promise = Promise {
            size: None,
            digests: vec![Digest::from_bytes(Algorithm::Sha512, &[0; 64]).unwrap()],
        };
        assert!(promise.check(3, sha256, &others).is_err());
    }
}
