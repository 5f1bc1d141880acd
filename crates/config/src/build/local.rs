//! What is on this machine.

use std::path::{Path, PathBuf};

use super::Builder;
use crate::effective::{Database, DatabaseServer, Storage};
use crate::raw;

/// Connections that are kept, and that may be added under load, as the reference system has them.
const POOL_SIZE: u32 = 5;
const MAX_OVERFLOW: u32 = 10;

/// The URL that a connection is opened with: the driver that the reference system's URLs name is dropped.
fn server_url(rest: &str) -> Result<String, &'static str> {
    let url = url::Url::parse(&format!("postgresql://{rest}")).map_err(|_| "database.url is no URL")?;
    if url.path().trim_start_matches('/').is_empty() {
        return Err("database.url names no database");
    }
    Ok(url.into())
}

impl Builder<'_> {
    pub(super) fn storage(&mut self, storage: Option<&raw::Storage>) -> Storage {
        let storage = storage.cloned().unwrap_or_default();
        let or = |text: Option<&String>, default: PathBuf| text.map_or(default, |text| self.path(text));
        let base_path = or(storage.base_path.as_ref(), "/var/lib/chantal".into());
        Storage {
            pool_path: or(storage.pool_path.as_ref(), base_path.join("pool")),
            published_path: or(storage.published_path.as_ref(), "/var/www/repos".into()),
            temp_path: or(storage.temp_path.as_ref(), base_path.join("tmp")),
            base_path,
            link_mode: storage.link_mode.unwrap_or_default(),
            durability: storage.durability.unwrap_or_default(),
        }
    }

    pub(super) fn database(&mut self, database: Option<&raw::Database>, base_path: &Path) -> Database {
        let default = Database::sqlite(base_path.join("chantal.db"));
        let Some(url) = database.and_then(|database| database.url.as_deref()) else {
            return default;
        };
        let mut wrong = |message: &str, hint: &str| self.wrong(&["database", "url"], message, Some(hint));
        let Some((scheme, rest)) = url.split_once("://") else {
            wrong("database.url is no URL", "`sqlite:///path/to/chantal.db`");
            return default;
        };
        match scheme.split('+').next().unwrap_or_default() {
            // Three slashes: relative to this file; four: absolute.
            "sqlite" => match rest.strip_prefix('/') {
                Some(path) if !path.is_empty() && path != ":memory:" => return Database::sqlite(self.path(path)),
                _ => wrong("database.url names no file", "`sqlite:////var/lib/chantal/chantal.db`"),
            },
            "postgresql" | "postgres" => match server_url(rest) {
                Ok(url) => {
                    let size = database.and_then(|database| database.pool_size).unwrap_or(POOL_SIZE);
                    let overflow = database
                        .and_then(|database| database.max_overflow)
                        .unwrap_or(MAX_OVERFLOW);
                    return Database {
                        server: Some(DatabaseServer {
                            url,
                            connections: size.saturating_add(overflow),
                        }),
                        ..default
                    };
                }
                Err(message) => wrong(message, "`postgresql://user:password@host/database`"),
            },
            other => wrong(
                &format!("database.url: {other:?} is not supported"),
                "sqlite or postgresql",
            ),
        }
        default
    }
}
