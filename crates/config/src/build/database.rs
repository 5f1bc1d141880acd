//! Where the catalog is.

use std::path::{Path, PathBuf};

use url::Url;

use super::Builder;
use crate::effective::{Database, DatabaseServer};
use crate::raw;

/// Connections that are kept, and that may be added under load, as the reference system has them.
const POOL_SIZE: u32 = 5;
const MAX_OVERFLOW: u32 = 10;

/// Parameters that a connection acts on.
const PARAMETERS: [&str; 11] = [
    "application_name",
    "dbname",
    "host",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
/// Parameters that are files.
const FILES: [&str; 3] = ["sslcert", "sslkey", "sslrootcert"];
/// `allow` is missing: it would never encrypt.
const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

impl Builder<'_> {
    pub(super) fn database(&mut self, database: Option<&raw::Database>, base_path: &Path) -> Database {
        let echo = database.and_then(|database| database.echo).unwrap_or(false);
        let default = Database {
            echo,
            ..Database::sqlite(base_path.join("chantal.db"))
        };
        let Some(text) = database.and_then(|database| database.url.as_deref()) else {
            return default;
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return self.no_database("database.url is no URL", "`sqlite:///path/to/chantal.db`", default);
        };
        match scheme.split('+').next().unwrap_or_default() {
            // Three slashes: relative to this file; four: absolute.
            "sqlite" => match rest.strip_prefix('/') {
                Some(path) if !path.is_empty() && path != ":memory:" => Database {
                    path: self.path(path),
                    ..default
                },
                _ => {
                    let hint = "`sqlite:////var/lib/chantal/chantal.db`";
                    self.no_database("database.url names no file", hint, default)
                }
            },
            "postgresql" | "postgres" => match self.server_url(rest) {
                Ok(url) => {
                    let size = database.and_then(|database| database.pool_size).unwrap_or(POOL_SIZE);
                    let overflow = database
                        .and_then(|database| database.max_overflow)
                        .unwrap_or(MAX_OVERFLOW);
                    Database {
                        server: Some(DatabaseServer {
                            shown: without_password(&url).into(),
                            files: files(&url),
                            url: url.into(),
                            connections: size.saturating_add(overflow),
                        }),
                        ..default
                    }
                }
                Err((message, hint)) => self.no_database(&message, hint, default),
            },
            other => {
                let message = format!("database.url: {other:?} is not supported");
                self.no_database(&message, "sqlite or postgresql", default)
            }
        }
    }

    fn no_database(&mut self, message: &str, hint: &str, default: Database) -> Database {
        self.wrong(&["database", "url"], message, Some(hint));
        default
    }

    /// The URL that a connection is opened with: the driver that the reference system's URLs name is dropped, files are
    /// relative to the configuration.
    fn server_url(&self, rest: &str) -> Result<Url, (String, &'static str)> {
        const FORM: &str = "`postgresql://user:password@host/database`; in a password, what is no letter or digit is \
                            written as `%` and two hexadecimal digits";
        let mut url = Url::parse(&format!("postgresql://{rest}"))
            .map_err(|error| (format!("database.url is no URL: {error}"), FORM))?;
        let mut parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (name, value) in &mut parameters {
            if !PARAMETERS.contains(&name.as_str()) {
                return Err((
                    format!("database.url: parameter {name:?} is not known"),
                    "host, port, user, password, dbname, sslmode, sslrootcert, sslcert, sslkey, application_name or options",
                ));
            }
            if name == "sslmode" && !SSL_MODES.contains(&value.as_str()) {
                return Err((
                    format!("database.url: sslmode {value:?} is not known"),
                    "disable, prefer, require, verify-ca or verify-full",
                ));
            }
            if FILES.contains(&name.as_str()) {
                *value = self.path(value).display().to_string();
            }
        }
        let value = |name: &str| {
            parameters
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value)
        };
        if url.path().trim_start_matches('/').is_empty() && value("dbname").is_none() {
            return Err(("database.url names no database".to_owned(), FORM));
        }
        let verifies = value("sslmode").is_some_and(|mode| mode.starts_with("verify-"));
        if value("sslrootcert").is_some() && !verifies {
            return Err((
                "database.url: sslrootcert without a mode that checks certificates".to_owned(),
                "`sslmode=verify-full`, or `verify-ca` where the host's name is not in the certificate",
            ));
        }
        set_parameters(&mut url, &parameters);
        Ok(url)
    }
}

/// Certificates and keys that the URL names.
fn files(url: &Url) -> Vec<PathBuf> {
    url.query_pairs()
        .filter(|(name, _)| FILES.contains(&name.as_ref()))
        .map(|(_, path)| PathBuf::from(path.as_ref()))
        .collect()
}

/// The URL for people.
fn without_password(url: &Url) -> Url {
    let mut shown = url.clone();
    // It only fails for URLs without a host, which have no password.
    let _ = shown.set_password(None);
    let parameters: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "password")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    set_parameters(&mut shown, &parameters);
    shown
}

/// Sets the parameters; paths stay readable.
fn set_parameters(url: &mut Url, parameters: &[(String, String)]) {
    let encoded = |text: &str| text.replace('%', "%25").replace('&', "%26").replace('+', "%2B");
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    url.set_query((!pairs.is_empty()).then(|| pairs.join("&")).as_deref());
}
