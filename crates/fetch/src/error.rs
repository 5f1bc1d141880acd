//! Why something could not be fetched.

use std::fmt;
use std::time::Duration;

use chantal_model::{Mismatch, masked};

use crate::mirrors::LeadsHere;

/// Which kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server cannot be reached, or does not answer as it should; a later try may help.
    Unreachable,
    /// The server refuses the credentials.
    Credentials,
    /// The server does not have it.
    NotFound,
    /// What came is not what was promised, or came from where it must not.
    Refused,
    /// A URL or an answer that makes no sense.
    Malformed,
    /// More came than may come.
    Limit,
    /// A local file could not be read or written.
    Local,
}

/// Why something could not be fetched. URLs are without credentials and without the values of their query.
#[derive(Debug)]
pub struct FetchError {
    pub(crate) url: String,
    pub(crate) attempts: u32,
    /// How many mirrors were asked.
    pub(crate) mirrors: usize,
    pub(crate) problem: Problem,
}

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Problem {
    Connect(String),
    Timeout {
        what: &'static str,
        after: Duration,
    },
    Slow(Slow),
    Broken(String),
    Short {
        expected: Option<u64>,
        got: u64,
    },
    Status(u16),
    Credentials {
        status: u16,
        sent: Sent,
    },
    /// What the server said about the client certificate, and where that was found.
    Certificate {
        alert: String,
        name: Option<String>,
    },
    Mismatch(Mismatch),
    TooLarge {
        limit: u64,
    },
    Redirect(String),
    Redirects(usize),
    Guarded,
    Url(String),
    Local {
        what: &'static str,
        source: std::io::Error,
    },
    Setup(String),
}

/// A pace that is not worth a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("less than {least} bytes a second came within {} s", within.as_secs_f64())]
pub(crate) struct Slow {
    pub(crate) least: u64,
    pub(crate) within: Duration,
}

/// What a server got that asks for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Credentials, or what may be some.
    Some,
    /// Nothing, since nothing is configured.
    NotConfigured,
    /// Nothing, since credentials are for the origin of a feed alone; and what redirected there.
    Elsewhere { redirected_from: Option<String> },
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Some => Ok(()),
            Self::NotConfigured => f.write_str("; no credentials are configured"),
            Self::Elsewhere { redirected_from } => {
                if let Some(from) = redirected_from {
                    write!(f, "; redirected from {from}")?;
                }
                f.write_str("; those of the feed are not sent to another scheme, host or port")
            }
        }
    }
}

impl FetchError {
    pub(crate) fn new(url: &url::Url, problem: Problem) -> Self {
        Self {
            url: masked(url.as_str()),
            attempts: 1,
            mirrors: 1,
            problem,
        }
    }

    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        match &self.problem {
            Problem::Connect(_)
            | Problem::Timeout { .. }
            | Problem::Slow(_)
            | Problem::Broken(_)
            | Problem::Short { .. }
            | Problem::Redirects(_)
            | Problem::Status(_) => Kind::Unreachable,
            Problem::Credentials { .. } | Problem::Certificate { .. } => Kind::Credentials,
            Problem::Mismatch(_) | Problem::Redirect(_) | Problem::Guarded => Kind::Refused,
            Problem::TooLarge { .. } => Kind::Limit,
            Problem::Url(_) => Kind::Malformed,
            Problem::Local { .. } | Problem::Setup(_) => Kind::Local,
        }
    }

    /// What this machine's file system said, of an error of [`Kind::Local`].
    pub fn local(&self) -> Option<&std::io::Error> {
        match &self.problem {
            Problem::Local { source, .. } => Some(source),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.problem {
            Problem::Credentials {
                status: 401 | 403,
                sent: Sent::NotConfigured,
            } => Some("`auth` gives credentials, or the feed's URL: `https://user:password@host/`"),
            _ => None,
        }
    }

    /// Whether another try may succeed.
    pub fn is_transient(&self) -> bool {
        match &self.problem {
            Problem::Connect(_)
            | Problem::Timeout { .. }
            | Problem::Slow(_)
            | Problem::Broken(_)
            | Problem::Short { .. }
            | Problem::Mismatch(_) => true,
            Problem::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Whether what came is wrong, rather than that nothing came: it may be the promise that is wrong.
    pub(crate) fn is_of_content(&self) -> bool {
        matches!(self.problem, Problem::Mismatch(_) | Problem::TooLarge { .. })
    }

    /// Whether a transfer ended before its time.
    pub(crate) fn is_of_transfer(&self) -> bool {
        matches!(self.problem, Problem::Broken(_) | Problem::Short { .. })
    }

    /// Whether it failed here, so that nobody else need be asked.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.problem, Problem::Local { .. } | Problem::Setup(_))
    }

    /// Whether another client certificate may be taken: it, or all credentials, were refused (HTTP 400, 401, 403; nginx
    /// has 495 and 496).
    pub fn may_be_of_certificate(&self) -> bool {
        match self.problem {
            Problem::Certificate { .. } => true,
            Problem::Credentials { status, .. } | Problem::Status(status) => {
                matches!(status, 400 | 401 | 403 | 495 | 496)
            }
            _ => false,
        }
    }

    /// What went wrong, without the URL.
    pub(crate) fn reason(&self) -> String {
        self.problem.to_string()
    }

    /// How often it was tried.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.problem, Problem::Setup(_)) {
            write!(f, "{}: ", self.url)?;
        }
        write!(f, "{}", self.problem)?;
        match (self.attempts, self.mirrors) {
            (2.., 2..) => write!(
                f,
                " ({} mirrors were asked, {} times each)",
                self.mirrors, self.attempts
            )?,
            (_, 2..) => write!(f, " ({} mirrors were asked)", self.mirrors)?,
            (2.., _) => write!(f, " (tried {} times)", self.attempts)?,
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Connect(reason) | Problem::Url(reason) => write!(f, "{reason}"),
            Problem::Timeout { what, after } => write!(f, "{what} within {} s", after.as_secs_f64()),
            Problem::Slow(slow) => write!(f, "too slow: {slow}"),
            Problem::Broken(reason) => write!(f, "the transfer broke: {reason}"),
            Problem::Short {
                expected: Some(expected),
                got,
            } => {
                write!(f, "the transfer ended after {got} of {expected} bytes")
            }
            Problem::Short { expected: None, got } => write!(f, "the transfer ended after {got} bytes"),
            Problem::Status(429) => write!(f, "the server asks to slow down (HTTP 429)"),
            Problem::Status(status) => write!(f, "the server answers HTTP {status}"),
            Problem::Certificate { alert, .. } if alert.eq_ignore_ascii_case(WANTED) => {
                write!(f, "TLS: the server asks for a client certificate, and none was sent")
            }
            Problem::Certificate { alert, name } => {
                let name = name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
                write!(f, "TLS: the server refuses the client certificate{name} ({alert})")
            }
            Problem::Credentials { status: 407, .. } => {
                write!(f, "the proxy refuses the credentials (HTTP 407)")
            }
            Problem::Credentials { status, sent } => {
                let what = match (sent, status) {
                    (Sent::Some, _) => "credentials refused",
                    (_, 401) => "credentials are wanted",
                    _ => "access refused",
                };
                write!(f, "{what} (HTTP {status}){sent}")
            }
            Problem::Mismatch(mismatch) => write!(f, "{mismatch}"),
            Problem::TooLarge { limit } => write!(f, "more than the {limit} bytes that may come"),
            Problem::Redirect(reason) => write!(f, "redirect refused: {reason}"),
            Problem::Redirects(most) => write!(f, "too many redirects, more than {most}"),
            Problem::Guarded => write!(f, "refused: a feed from elsewhere leads to this machine or its link"),
            Problem::Local { what, .. } => write!(f, "cannot {what}"),
            Problem::Setup(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Local { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The alert of a server that got no certificate (RFC 8446, section 6.2).
const WANTED: &str = "CertificateRequired";

/// Alerts that are about the certificate of whoever gets them (RFC 8446, section 6.2).
const ABOUT_CERTIFICATES: [&str; 8] = [
    WANTED,
    "UnknownCA",
    "BadCertificate",
    "UnsupportedCertificate",
    "CertificateRevoked",
    "CertificateExpired",
    "CertificateUnknown",
    "AccessDenied",
];

/// The alert that a server sent about the client certificate.
fn certificate_alert(reasons: &[String]) -> Option<String> {
    let alerts = reasons
        .iter()
        .filter_map(|reason| reason.split_once("received fatal alert: "));
    let mut words = alerts.filter_map(|(_, rest)| rest.split(|c: char| !c.is_alphanumeric()).next());
    words
        .find(|word| ABOUT_CERTIFICATES.iter().any(|one| one.eq_ignore_ascii_case(word)))
        .map(str::to_owned)
}

/// What a failure of the client means, in words.
pub(crate) fn transport(error: &reqwest::Error) -> Problem {
    let mut reasons: Vec<String> = Vec::new();
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if reasons.last() != Some(&text) {
            reasons.push(text);
        }
        source = cause.source();
    }
    let whole = reasons.join(": ").to_lowercase();
    let last = reasons.last().cloned().unwrap_or_else(|| error.to_string());
    let tls = |reason: &str| Problem::Connect(format!("TLS: {reason}"));
    if reasons.contains(&LeadsHere.to_string()) {
        return Problem::Guarded;
    }
    if let Some(alert) = certificate_alert(&reasons) {
        return Problem::Certificate { alert, name: None };
    }
    if whole.contains("certexpired")
        || whole.contains("certificate expired")
        || whole.contains("expired") && whole.contains("cert")
    {
        tls("the server's certificate has expired")
    } else if whole.contains("notvalidforname") || whole.contains("not valid for name") {
        tls("the server's certificate is for another host")
    } else if whole.contains("unknownissuer") || whole.contains("unknown issuer") {
        tls("the server's certificate is signed by an unknown authority (`ssl.ca_bundle` names others)")
    } else if whole.contains("tls12or13") || whole.contains("protocolversion") || whole.contains("protocol version") {
        tls("the server speaks neither TLS 1.2 nor TLS 1.3")
    } else if whole.contains("invalid peer certificate") || whole.contains("handshake") || whole.contains("alert") {
        tls(&last)
    } else if whole.contains("proxy authorization required") {
        Problem::Credentials {
            status: 407,
            sent: Sent::Some,
        }
    } else if whole.contains("dns error") || whole.contains("failed to lookup") {
        Problem::Connect(format!("the host name cannot be resolved: {last}"))
    } else if whole.contains("connection refused") {
        Problem::Connect("connection refused".into())
    } else if error.is_connect() {
        Problem::Connect(format!("cannot connect: {last}"))
    } else {
        Problem::Broken(last)
    }
}
