//! Digests and the one place that computes them.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use md5::Digest as _;

/// A digest algorithm that repository metadata uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RFC 1321; broken, never enough alone.
    Md5,
    /// FIPS 180-4; broken, accepted only where the configuration allows it by name.
    Sha1,
    /// FIPS 180-4.
    Sha224,
    /// FIPS 180-4; the pool's own.
    Sha256,
    /// FIPS 180-4.
    Sha384,
    /// FIPS 180-4.
    Sha512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 6] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// The name in lower case, as metadata writes it (`sha256`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a digest in bytes.
    pub fn len_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Whether collisions can be made, so that the digest alone proves nothing.
    pub fn is_weak(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// An algorithm that Chantal does not know.
    #[error("unknown digest algorithm {0:?}")]
    UnknownAlgorithm(String),
    /// Not hexadecimal, or not as long as the algorithm's digests are.
    #[error("{text:?} is not a {algorithm} digest: expected {expected} hexadecimal digits")]
    NotHexadecimal {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// What was given, cut to 80 characters.
        text: String,
        /// How many digits belong there.
        expected: usize,
    },
}

impl FromStr for Algorithm {
    type Err = ParseDigestError;

    /// Accepts the names of repository metadata; `sha` is createrepo's old name of SHA-1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "md5" => Self::Md5,
            "sha" | "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return Err(ParseDigestError::UnknownAlgorithm(text.chars().take(80).collect())),
        })
    }
}

/// A SHA-256, the name of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Digests bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self::made(&digest::digest(&digest::SHA256, bytes))
    }

    fn made(digest: &digest::Digest) -> Self {
        Self::from_slice(digest.as_ref()).expect("a SHA-256 digest has 32 bytes")
    }

    /// Reads a digest from a database column or a file; `None` unless it is 32 bytes long.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// 64 hexadecimal digits in lower case.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digest = Digest::parse(Algorithm::Sha256, text)?;
        Ok(Self::from_slice(digest.bytes()).expect("a SHA-256 digest has 32 bytes"))
    }
}

/// A digest together with its algorithm.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Box<[u8]>,
}

impl Digest {
    /// Parses hexadecimal digits of either case.
    pub fn parse(algorithm: Algorithm, text: &str) -> Result<Self, ParseDigestError> {
        let text = text.trim();
        match unhex(text) {
            Some(bytes) if bytes.len() == algorithm.len_bytes() => Ok(Self {
                algorithm,
                bytes: bytes.into(),
            }),
            _ => Err(ParseDigestError::NotHexadecimal {
                algorithm,
                text: text.chars().take(80).collect(),
                expected: algorithm.len_bytes() * 2,
            }),
        }
    }

    /// Makes a digest from raw bytes; `None` if the length is not the algorithm's.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algorithm.len_bytes()).then(|| Self {
            algorithm,
            bytes: bytes.into(),
        })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Hexadecimal digits in lower case.
    pub fn hex(&self) -> String {
        hex(&self.bytes)
    }

    /// The digest as a blob's name, if it is a SHA-256.
    pub fn sha256(&self) -> Option<Sha256> {
        (self.algorithm == Algorithm::Sha256)
            .then(|| Sha256::from_slice(&self.bytes))
            .flatten()
    }
}

impl From<Sha256> for Digest {
    fn from(sha256: Sha256) -> Self {
        Self {
            algorithm: Algorithm::Sha256,
            bytes: Box::new(sha256.0),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Computes SHA-256 and, on request, other digests of one stream of bytes in one pass.
///
/// The SHA-2 family comes from AWS-LC, which TLS brings along: on a processor without SHA instructions it is twice as fast
/// as code that does not use the vector unit, and hashing is a quarter of a first sync there.
#[derive(Clone)]
pub struct Digester {
    sha256: digest::Context,
    others: Vec<Other>,
    len: u64,
}

#[derive(Clone)]
enum Other {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha2(Algorithm, digest::Context),
}

impl Other {
    fn sha2(algorithm: Algorithm, with: &'static digest::Algorithm) -> Self {
        Self::Sha2(algorithm, digest::Context::new(with))
    }
}

impl Digester {
    /// Starts a pass that computes SHA-256 and each of `algorithms`.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut wanted: Vec<Algorithm> = algorithms.into_iter().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let others = wanted
            .into_iter()
            .filter_map(|algorithm| match algorithm {
                Algorithm::Sha256 => None,
                Algorithm::Md5 => Some(Other::Md5(md5::Md5::new())),
                Algorithm::Sha1 => Some(Other::Sha1(sha1::Sha1::new())),
                Algorithm::Sha224 => Some(Other::sha2(algorithm, &digest::SHA224)),
                Algorithm::Sha384 => Some(Other::sha2(algorithm, &digest::SHA384)),
                Algorithm::Sha512 => Some(Other::sha2(algorithm, &digest::SHA512)),
            })
            .collect();
        Self {
            sha256: digest::Context::new(&digest::SHA256),
            others,
            len: 0,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.sha256.update(bytes);
        for other in &mut self.others {
            match other {
                Other::Md5(hasher) => hasher.update(bytes),
                Other::Sha1(hasher) => hasher.update(bytes),
                Other::Sha2(_, hasher) => hasher.update(bytes),
            }
        }
    }

    /// How many bytes were taken so far.
    pub fn len_bytes(&self) -> u64 {
        self.len
    }

    /// Ends the pass: SHA-256 first, then the others in the order of [`Algorithm`].
    pub fn finish(self) -> (Sha256, Vec<Digest>) {
        let sha256 = Sha256::made(&self.sha256.finish());
        let others = self
            .others
            .into_iter()
            .map(|other| match other {
                Other::Md5(hasher) => raw(Algorithm::Md5, &hasher.finalize()),
                Other::Sha1(hasher) => raw(Algorithm::Sha1, &hasher.finalize()),
                Other::Sha2(algorithm, hasher) => raw(algorithm, hasher.finish().as_ref()),
            })
            .collect();
        (sha256, others)
    }
}

fn raw(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    Digest {
        algorithm,
        bytes: bytes.into(),
    }
}

/// Bytes as hexadecimal digits in lower case.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = vec![0; 2 * bytes.len()];
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    String::from_utf8(text).expect("hexadecimal digits are ASCII")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_gives_the_published_test_vectors() {
        let mut digester = Digester::new([
            Algorithm::Sha512,
            Algorithm::Sha384,
            Algorithm::Sha224,
            Algorithm::Md5,
            Algorithm::Sha1,
            Algorithm::Sha1,
        ]);
        digester.update(b"a");
        digester.update(b"bc");

        let (sha256, others) = digester.finish();

        assert_eq!(
            sha256.hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        assert_eq!(others[0], "md5:900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(others[1], "sha1:a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(others[2].starts_with("sha224:23097d223405d8228642a477bda255b3"));
        assert!(others[3].starts_with("sha384:cb00753f45a35e8bb5a03d699ac65007"));
        assert!(others[4].starts_with("sha512:ddaf35a193617abacc417349ae204131"));
        assert_eq!(others.len(), 5);
    }

    #[test]
    fn digits_of_the_wrong_number_or_kind_are_refused() {
        for text in ["", "00", "zz", &"0".repeat(63), &"0".repeat(66), &"é".repeat(32)] {
            assert!(text.parse::<Sha256>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn upper_case_digits_are_the_same_digest() {
        let lower = Sha256::of(b"x").hex();
        assert_eq!(lower.to_uppercase().parse::<Sha256>(), lower.parse());
    }
}
