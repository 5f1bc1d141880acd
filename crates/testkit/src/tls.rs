//! Certificates for tests, made on the spot.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// An authority that signs certificates for servers on loopback and for clients.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate in PEM.
    pub pem: String,
}

/// A certificate and its key, both in PEM.
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// How a server speaks TLS.
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// Makes an authority.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("keys can be made");
        // Two authorities of one name would be taken for each other.
        let name: String = key
            .serialize_pem()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .skip(60)
            .take(12)
            .collect();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("Test authority {name}"));
        let certificate = params.self_signed(&key).expect("a certificate can be signed");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, mut params: CertificateParams, name: &str) -> Pair {
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a certificate can be signed");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A certificate for 127.0.0.1 and localhost.
    pub fn server(&self) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        self.sign(params, "server")
    }

    /// A certificate for a host of this name alone.
    pub fn server_of(&self, host: &str) -> Pair {
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        self.sign(params, "elsewhere")
    }

    /// A certificate for 127.0.0.1 and localhost that expired when this year began.
    pub fn server_until(&self, year: i32) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.sign(params, "expired")
    }

    /// A certificate for a client of this name.
    pub fn client(&self, name: &str) -> Pair {
        self.sign(
            CertificateParams::new(Vec::new()).expect("no names are valid names"),
            name,
        )
    }

    /// A certificate for a client, valid from so many days after now until so many; before now where negative.
    pub fn client_valid(&self, name: &str, from_days: i64, until_days: i64) -> Pair {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.expect("the clock is past 1970").as_secs() as i64;
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let at = |days: i64| epoch + std::time::Duration::from_secs((now + days * 86_400).max(0) as u64);
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.not_before = at(from_days);
        params.not_after = at(until_days);
        self.sign(params, name)
    }

    /// How a server with a certificate speaks TLS; `clients` is the authority whose clients it requires.
    pub fn tls(pair: &Pair, clients: Option<&Authority>) -> ServerTls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(certificate(&authority.pem))
                    .expect("an authority's certificate");
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().expect("roots are not empty"))
            }
        };
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key in PEM");
        let config = builder
            .with_single_cert(vec![certificate(&pair.certificate)], key)
            .expect("certificate and key fit");
        ServerTls {
            config: Arc::new(config),
        }
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM")
}

impl ServerTls {
    /// Shakes hands; gives the stream and the subject of the client's certificate.
    pub(crate) fn accept(
        &self,
        mut stream: TcpStream,
    ) -> Option<(StreamOwned<ServerConnection, TcpStream>, Option<String>)> {
        let mut connection = ServerConnection::new(self.config.clone()).ok()?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).ok()?;
        }
        let subject = connection
            .peer_certificates()
            .and_then(|chain| common_name(chain.first()?));
        Some((StreamOwned::new(connection, stream), subject))
    }
}

/// The last common name in a certificate: that of its subject, which follows the issuer's.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    // OID 2.5.4.3, then the tag and length of the string.
    let bytes = certificate.as_ref();
    let at = bytes
        .windows(5)
        .rposition(|window| window == [0x06, 0x03, 0x55, 0x04, 0x03])?;
    let length = usize::from(*bytes.get(at + 6)?);
    Some(String::from_utf8_lossy(bytes.get(at + 7..at + 7 + length)?).into_owned())
}
