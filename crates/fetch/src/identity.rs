//! Client certificates: whether a pair can be used, and which of several.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

/// A client certificate with its key.
#[derive(Clone)]
pub struct Identity {
    /// Both in PEM.
    pub pem: Vec<u8>,
    /// From when on it is valid, in seconds since 1970.
    pub not_before: i64,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
}

/// Why a pair cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The key needs a pass phrase.
    #[error("the key is encrypted, which is not supported")]
    Encrypted,
    /// There is no certificate that can be read.
    #[error("no certificate that can be read: {0}")]
    Certificate(String),
    /// TLS takes no certificate of this version.
    #[error("the certificate is of X.509 version {0}, and TLS takes version 3 alone")]
    Version(u32),
    /// TLS takes no such certificate.
    #[error("the certificate cannot be used: {0}")]
    Unusable(String),
    /// There is no key that can be read.
    #[error("no key that can be read: {0}")]
    Key(String),
    /// The key is another certificate's.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

impl IdentityError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Encrypted => Some("`openssl pkey -in KEY -out PLAIN` decrypts it"),
            Self::Version(_) => Some("one with extensions is of version 3, as of `openssl x509 -req -extfile FILE`"),
            _ => None,
        }
    }
}

pub(crate) fn refuse_encrypted(pem: &[u8]) -> Result<(), IdentityError> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(IdentityError::Encrypted);
    }
    Ok(())
}

impl Identity {
    /// Puts a certificate and its key together, both in PEM; they may be the same file.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        refuse_encrypted(key)?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let Some(first) = chain.first() else {
            return Err(IdentityError::Certificate("the file holds none".into()));
        };
        let (_, parsed) =
            X509Certificate::from_der(first).map_err(|error| IdentityError::Certificate(error.to_string()))?;
        // Versions are counted from 0 (RFC 5280, section 4.1.2.1).
        if parsed.version() != X509Version::V3 {
            return Err(IdentityError::Version(parsed.version().0.saturating_add(1)));
        }
        let validity = parsed.validity();
        let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        let der = PrivateKeyDer::from_pem_slice(key).map_err(|error| IdentityError::Key(error.to_string()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        match CertifiedKey::from_der(chain, der, &provider) {
            Ok(_) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(IdentityError::Mismatch),
            Err(rustls::Error::InvalidCertificate(error)) => return Err(IdentityError::Unusable(error.to_string())),
            Err(error) => return Err(IdentityError::Key(error.to_string())),
        }
        Ok(Self {
            pem: if certificate == key {
                key.to_vec()
            } else {
                [certificate, b"\n", key].concat()
            },
            not_before,
            not_after,
        })
    }

    /// Whether it is valid at a time, in seconds since 1970.
    pub fn is_valid(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// When each certificate of a PEM text ends, in seconds since 1970; nothing is verified here.
///
/// # Errors
/// [`IdentityError::Certificate`]: a block is no base64, or no certificate as RFC 5280 lays it out.
pub fn expiries(pem: &[u8]) -> Result<Vec<i64>, IdentityError> {
    let refused = |error: &dyn std::fmt::Display| IdentityError::Certificate(error.to_string());
    CertificateDer::pem_slice_iter(pem)
        .map(|der| {
            let der = der.map_err(|error| refused(&error))?;
            let (_, certificate) = X509Certificate::from_der(&der).map_err(|error| refused(&error))?;
            Ok(certificate.validity().not_after.timestamp())
        })
        .collect()
}

/// A pair of a directory: its name, and what became of reading it.
pub struct Candidate {
    /// Name for messages.
    pub name: String,
    /// The pair.
    pub identity: Result<Identity, IdentityError>,
}

/// The pairs that are valid now, those first that stay so longest; equals by name.
///
/// # Errors
/// None can be used: one line for each.
pub fn usable(mut candidates: Vec<Candidate>, now: i64) -> Result<Vec<(String, Identity)>, Vec<String>> {
    candidates.sort_by(|a, b| a.name.cmp(&b.name));
    let mut usable = Vec::new();
    let mut refused = Vec::new();
    for Candidate { name, identity } in candidates {
        match identity {
            Err(error) => refused.push(format!("{name}: {error}")),
            Ok(identity) if now > identity.not_after => refused.push(format!("{name}: it has expired")),
            Ok(identity) if now < identity.not_before => refused.push(format!("{name}: it is not valid yet")),
            Ok(identity) => usable.push((name, identity)),
        }
    }
    if usable.is_empty() {
        return Err(refused);
    }
    usable.sort_by_key(|(_, identity)| std::cmp::Reverse(identity.not_after));
    Ok(usable)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    struct Pair {
        certificate: String,
        key: String,
    }

    fn pair(from: i32, until: i32) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        Pair {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn identity(pair: &Pair) -> Result<Identity, IdentityError> {
        Identity::new(pair.certificate.as_bytes(), pair.key.as_bytes())
    }

    fn candidate(name: &str, identity: Result<Identity, IdentityError>) -> Candidate {
        Candidate {
            name: name.to_owned(),
            identity,
        }
    }

    /// 2026-01-01.
    const NOW: i64 = 1_767_225_600;

    #[test]
    fn a_pair_says_how_long_it_is_valid() {
        let found = identity(&pair(2025, 2026)).unwrap();
        assert_eq!((found.not_before, found.not_after), (1_735_689_600, NOW));
        assert!(found.is_valid(NOW) && !found.is_valid(NOW + 1) && !found.is_valid(1_735_689_599));
    }

    #[test]
    fn what_is_no_pair_is_told_apart() {
        let (one, other) = (pair(2020, 2030), pair(2020, 2030));
        let mixed = Identity::new(one.certificate.as_bytes(), other.key.as_bytes());
        assert_eq!(mixed.err(), Some(IdentityError::Mismatch));
        for header in ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"] {
            let error = Identity::new(one.certificate.as_bytes(), header.as_bytes()).err();
            assert_eq!(error, Some(IdentityError::Encrypted), "{header}");
        }
        let key = Identity::new(one.certificate.as_bytes(), b"nothing").err();
        assert!(matches!(key, Some(IdentityError::Key(_))), "{key:?}");
        for certificate in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let error = Identity::new(certificate.as_bytes(), one.key.as_bytes()).err();
            assert!(matches!(error, Some(IdentityError::Certificate(_))), "{error:?}");
        }
    }

    #[test]
    fn of_several_pairs_the_one_that_is_valid_longest_comes_first() {
        let names: Vec<String> = usable(
            vec![
                candidate("0-expired", identity(&pair(2000, 2025))),
                candidate("1-soon", identity(&pair(2020, 2027))),
                candidate("2-best", identity(&pair(2020, 2030))),
                candidate("3-same", identity(&pair(2020, 2030))),
                candidate("4-future", identity(&pair(2028, 2050))),
                candidate("5-strange", Err(IdentityError::Mismatch)),
            ],
            NOW,
        )
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
        assert_eq!(names, ["2-best", "3-same", "1-soon"]);
    }

    #[test]
    fn where_no_pair_can_be_used_each_has_its_reason() {
        let reasons = usable(
            vec![
                candidate("b", identity(&pair(2000, 2001))),
                candidate("a", Err(IdentityError::Mismatch)),
                candidate("c", identity(&pair(2040, 2041))),
            ],
            NOW,
        )
        .err()
        .unwrap();
        let expected = [
            "a: the key does not belong to the certificate",
            "b: it has expired",
            "c: it is not valid yet",
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn every_certificate_of_a_text_has_an_end() {
        let (first, second) = (pair(2020, 2030), pair(2020, 2049));
        let both = format!("a comment\n{}{}", first.certificate, second.certificate);
        assert_eq!(expiries(both.as_bytes()), Ok(vec![1_893_456_000, 2_493_072_000]));
        assert_eq!(expiries(b"no pem"), Ok(vec![]));
        for body in ["!!", "MAA="] {
            let text = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
            assert!(expiries(text.as_bytes()).is_err(), "{body}");
        }
    }

    /// Of version 1, as `openssl x509 -req` makes them without extensions; the key is this one's alone.
    const FIRST_VERSION: &str = "\
-----BEGIN CERTIFICATE-----
MIIBGTCBvwIUMhpE/QRqcRWpPiaoMWtZYOGwQL0wCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEzMDE2MzUxMVoYDzIxMjYxMTA2MTYzNTExWjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT8WHaSV6E2I2GG
ri558SPGP6Sx3dXPEwA4FPJcRB2gDrnq//XNe6N6sl2Wai578OYD1MVUBeh1m0qt
gChxLRu/MAoGCCqGSM49BAMCA0kAMEYCIQDrsg0aQKQ5VyawhfQ/0vvcPIJNXyrx
D/1/Jux28PkFfAIhAJWg8mPOUrf77yjk75Y8DyWR+PA814npF93C6LwOR8Ln
-----END CERTIFICATE-----
";
    const ITS_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgc7r+HVNsABQqTuWZ
baaHNuqM9DzYJYklFJCC3kMxw3ehRANCAAT8WHaSV6E2I2GGri558SPGP6Sx3dXP
EwA4FPJcRB2gDrnq//XNe6N6sl2Wai578OYD1MVUBeh1m0qtgChxLRu/
-----END PRIVATE KEY-----
";

    #[test]
    fn a_certificate_of_another_version_is_called_that() {
        let error = Identity::new(FIRST_VERSION.as_bytes(), ITS_KEY.as_bytes())
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "the certificate is of X.509 version 1, and TLS takes version 3 alone"
        );
        assert!(error.hint().unwrap().contains("-extfile"));
    }
}
