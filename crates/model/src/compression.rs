//! How a metadata file is compressed.

use std::fmt;
use std::str::FromStr;

/// A compression that repository metadata uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed.
    None,
    /// RFC 1952, `.gz`.
    Gzip,
    /// RFC 8878, `.zst`.
    Zstd,
    /// `.xz`.
    Xz,
    /// `.bz2`.
    Bzip2,
}

impl Compression {
    /// The suffix of a file name, with its dot; empty for [`Compression::None`].
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Xz => ".xz",
            Self::Bzip2 => ".bz2",
        }
    }

    /// The name that the configuration uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// Recognizes a compression by the first bytes of a file; anything unknown is [`Compression::None`].
    pub fn sniff(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame may come first: 0x184D2A5? in little endian.
            [low, 0x2a, 0x4d, 0x18, ..] if low & 0xf0 == 0x50 => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no compression.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a compression: expected none, gzip, zstd, xz or bzip2")]
pub struct ParseCompressionError(String);

impl FromStr for Compression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "none" => Self::None,
            "gzip" | "gz" => Self::Gzip,
            "zstd" | "zstandard" | "zst" => Self::Zstd,
            "xz" => Self::Xz,
            "bzip2" | "bz2" => Self::Bzip2,
            _ => return Err(ParseCompressionError(text.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back() {
        for compression in [
            Compression::None,
            Compression::Gzip,
            Compression::Zstd,
            Compression::Xz,
            Compression::Bzip2,
        ] {
            assert_eq!(compression.name().parse(), Ok(compression));
        }
    }

    #[test]
    fn magic_is_recognized_and_text_is_not() {
        assert_eq!(Compression::sniff(b"\x1f\x8b\x08"), Compression::Gzip);
        assert_eq!(Compression::sniff(b"\x28\xb5\x2f\xfd\x00"), Compression::Zstd);
        assert_eq!(Compression::sniff(b"\x50\x2a\x4d\x18"), Compression::Zstd);
        assert_eq!(Compression::sniff(b"\xfd7zXZ\x00"), Compression::Xz);
        assert_eq!(Compression::sniff(b"BZh9"), Compression::Bzip2);
        assert_eq!(Compression::sniff(b"<?xml"), Compression::None);
        assert_eq!(Compression::sniff(b""), Compression::None);
    }
}
