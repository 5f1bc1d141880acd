//! From the checked tree to effective values, with everything that only makes sense together checked as well.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chantal_model::{Algorithm, Compression, Mode, RelPath, RepoId};
use url::Url;

use crate::check::Finding;
use crate::effective::{
    Auth, Config, Database, Download, Filters, Limits, Log, Metadata, Proxy, Publish, Repository, Ssl, Storage, Words,
};
use crate::node::{Node, Place};
use crate::raw;
use crate::secret::Secret;
use crate::unbuilt::Unbuilt;
use crate::units;

/// Builds effective values and gathers what is wrong.
pub(crate) struct Builder<'a> {
    pub(crate) root: &'a Node,
    pub(crate) files: &'a [(PathBuf, String)],
    pub(crate) base: &'a Path,
    pub(crate) findings: Vec<Finding>,
}

impl Builder<'_> {
    /// The effective configuration; meaningless if there are findings.
    pub(crate) fn config(&mut self, file: &raw::File) -> Config {
        let storage = self.storage(file.storage.as_ref());
        let database = self.database(file.database.as_ref(), &storage.base_path);
        let empty = Vec::new();
        let repositories: Vec<Repository> = file
            .repositories
            .as_ref()
            .unwrap_or(&empty)
            .iter()
            .enumerate()
            .filter_map(|(index, repository)| self.repository(file, index, repository))
            .collect();
        self.duplicates(&repositories);
        self.trees(&repositories);
        self.views(file);
        let log = file.log.clone().unwrap_or_default();
        Config {
            database,
            storage,
            repositories,
            log: Log {
                level: log.level.unwrap_or_default(),
                format: log.format.unwrap_or_default(),
            },
        }
    }

    fn place(&self, path: &[&str]) -> Place {
        let mut longest = self.root.place;
        for end in 1..=path.len() {
            match self.root.at(&path[..end]) {
                Some(node) => longest = node.place,
                None => break,
            }
        }
        longest
    }

    pub(crate) fn wrong(&mut self, path: &[&str], message: impl Into<String>, hint: Option<&str>) {
        self.findings.push(Finding {
            place: self.place(path),
            message: message.into(),
            hint: hint.map(str::to_owned),
        });
    }

    fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    fn storage(&mut self, storage: Option<&raw::Storage>) -> Storage {
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

    fn database(&mut self, database: Option<&raw::Database>, base_path: &Path) -> Database {
        let default = base_path.join("chantal.db");
        let Some(url) = database.and_then(|database| database.url.as_deref()) else {
            return Database {
                path: default,
                is_built: true,
            };
        };
        let at = ["database", "url"];
        let Some((scheme, rest)) = url.split_once("://") else {
            self.wrong(&at, "database.url is no URL", Some("`sqlite:///path/to/chantal.db`"));
            return Database {
                path: default,
                is_built: true,
            };
        };
        match scheme.split('+').next().unwrap_or_default() {
            // Three slashes: relative to this file; four: absolute.
            "sqlite" => match rest.strip_prefix('/') {
                Some(path) if !path.is_empty() && path != ":memory:" => Database {
                    path: self.path(path),
                    is_built: true,
                },
                _ => {
                    self.wrong(
                        &at,
                        "database.url names no file",
                        Some("`sqlite:////var/lib/chantal/chantal.db`"),
                    );
                    Database {
                        path: default,
                        is_built: true,
                    }
                }
            },
            "postgresql" | "postgres" => Database {
                path: default,
                is_built: false,
            },
            other => {
                self.wrong(
                    &at,
                    format!("database.url: {other:?} is not supported"),
                    Some("sqlite or postgresql"),
                );
                Database {
                    path: default,
                    is_built: true,
                }
            }
        }
    }

    fn repository(&mut self, file: &raw::File, index: usize, raw: &raw::Repository) -> Option<Repository> {
        let number = index.to_string();
        let at = ["repositories", number.as_str()];
        let settings = &raw.settings;
        let node = self.root.at(&at)?;
        let line = node.place.line;
        let mut unbuilt = self.unbuilt(file, node, raw);
        let id = match raw.id.parse::<RepoId>() {
            Ok(id) => id,
            Err(error) => {
                self.wrong(&[at[0], at[1], "id"], error.to_string(), None);
                // The rest of the entry is checked all the same, under a name that nothing else has.
                format!("invalid-{index}").parse().ok()?
            }
        };
        let mode = match settings.mode.unwrap_or(raw::Mode::Filtered) {
            raw::Mode::Mirror => Mode::Mirror,
            raw::Mode::Filtered => Mode::Filtered,
            raw::Mode::Hosted => Mode::Hosted,
        };
        if let Some(policy) = settings.retention.as_ref().and_then(|retention| retention.policy) {
            self.retention(&at, settings, policy, mode, &mut unbuilt);
        }
        self.consistency(&at, raw, mode);
        let download = self.download(&at, file.download.as_ref(), settings.download.as_ref());
        let (filters, metadata) = (self.filters(&at, raw), self.metadata(settings.metadata.as_ref()));
        Some(Repository {
            name: settings.name.clone(),
            r#type: raw.format.word().to_owned(),
            feed: self.feed(&at, settings),
            enabled: settings.enabled.unwrap_or(true),
            mode,
            tags: settings.tags.clone().unwrap_or_default(),
            auth: self.auth(&at, settings.auth.as_ref()),
            proxy: self.proxy(&at, settings.proxy.as_ref().or(file.proxy.as_ref())),
            ssl: self.ssl(settings.ssl.as_ref().or(file.ssl.as_ref())),
            download,
            limits: self.limits(&at, file.limits.as_ref(), settings.limits.as_ref()),
            filters,
            metadata,
            publish: self.publish(&at, file.publish.as_ref(), settings.publish.as_ref()),
            on_package_error: settings.on_package_error.unwrap_or(match mode {
                Mode::Mirror => raw::OnPackageError::Fail,
                _ => raw::OnPackageError::Skip,
            }),
            weaknesses: settings
                .allow_weak
                .iter()
                .flatten()
                .filter_map(|weakness| serde_json::to_value(weakness).ok()?.as_str().map(str::to_owned))
                .collect(),
            latest_path: self.tree_path(&at, "latest_path", settings.latest_path.as_deref()),
            snapshots_path: self.tree_path(&at, "snapshots_path", settings.snapshots_path.as_deref()),
            unbuilt,
            line,
            id,
        })
    }

    /// File and line for people.
    fn shown(&self, place: Place) -> String {
        let file = self
            .files
            .get(place.file)
            .map(|(path, _)| path.display().to_string())
            .unwrap_or_default();
        format!("{file}:{}", place.line)
    }

    fn unbuilt(&self, file: &raw::File, node: &Node, raw: &raw::Repository) -> Vec<Unbuilt> {
        let one = |key: &str, feature: &str, place: Place| Unbuilt {
            key: key.to_owned(),
            feature: feature.to_owned(),
            place: self.shown(place),
            hint: None,
        };
        let mut unbuilt = Vec::new();
        let at = |key: &str| node.get(key).map_or(node.place, |value| value.place);
        if !raw.format.is_built() {
            unbuilt.push(one(&format!("type: {}", raw.format.word()), "this format", at("type")));
        }
        if raw.settings.mode == Some(raw::Mode::Hosted) {
            unbuilt.push(one("mode: hosted", "uploading", at("mode")));
        }
        if raw
            .settings
            .allow_weak
            .iter()
            .flatten()
            .any(|weakness| *weakness != raw::Weakness::Sha1)
        {
            unbuilt.push(one(
                "allow_weak",
                "accepting other weaknesses than sha1",
                at("allow_weak"),
            ));
        }
        let sets = crate::unbuilt::repository(node);
        unbuilt.extend(sets.into_iter().map(|set| one(&set.key, set.feature, set.place)));
        for set in crate::unbuilt::top(self.root) {
            // A repository's own block replaces the global one.
            let own = match set.key.as_str() {
                "gpg" => raw.settings.gpg.is_some(),
                "verify" => raw.settings.verify.is_some(),
                _ => false,
            };
            if set.concerns == crate::unbuilt::Concerns::Everybody && !own {
                unbuilt.push(one(&set.key, set.feature, set.place));
            }
        }
        let _ = file;
        unbuilt
    }

    fn retention(
        &mut self,
        at: &[&str; 2],
        settings: &raw::RepositorySettings,
        policy: raw::RetentionPolicy,
        mode: Mode,
        unbuilt: &mut Vec<Unbuilt>,
    ) {
        let path = [at[0], at[1], "retention", "policy"];
        let count = settings.retention.as_ref().and_then(|retention| retention.keep_count);
        if policy == raw::RetentionPolicy::KeepLastN && count.is_none() {
            self.wrong(&path, "retention.policy keep-last-n needs keep_count", None);
        }
        if policy == raw::RetentionPolicy::Mirror {
            return;
        }
        let hint = (mode == Mode::Mirror).then(|| {
            "`mode: filtered`, since in mode mirror the metadata are upstream's own and keep nothing that it dropped"
                .to_owned()
        });
        unbuilt.push(Unbuilt {
            key: "retention.policy".into(),
            feature: "retention of versions that upstream drops".into(),
            place: self.shown(self.place(&path)),
            hint,
        });
    }

    /// Keys that exclude each other.
    fn consistency(&mut self, at: &[&str; 2], raw: &raw::Repository, mode: Mode) {
        let settings = &raw.settings;
        let sources: Vec<&str> = [
            ("feed", settings.feed.as_ref().is_some_and(|feed| !feed.is_empty())),
            ("feeds", settings.feeds.is_some()),
            ("mirrorlist", settings.mirrorlist.is_some()),
            ("metalink", settings.metalink.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, set)| set.then_some(key))
        .collect();
        match (sources.as_slice(), mode) {
            ([], Mode::Mirror | Mode::Filtered) => {
                self.wrong(at, format!("repository {:?} needs a feed", raw.id), None);
            }
            ([first, second, ..], _) => {
                let path = [at[0], at[1], *second];
                self.wrong(
                    &path,
                    format!("{first} and {second} exclude each other; give one"),
                    None,
                );
            }
            _ => {}
        }
        if mode == Mode::Mirror && settings.filters.is_some() {
            let hint = "in mode mirror the metadata are upstream's own; use `mode: filtered`";
            self.wrong(
                &[at[0], at[1], "filters"],
                "mode mirror takes everything and has no filters",
                Some(hint),
            );
        }
        for foreign in raw.format.foreign_filters() {
            let path = [at[0], at[1], "filters", *foreign];
            if self.root.at(&path).is_some() {
                let message = format!("filters.{foreign} does not belong to type {}", raw.format.word());
                self.wrong(&path, message, None);
            }
        }
        if let Some(schedule) = &settings.schedule
            && let Some(expression) = &schedule.cron
            && let Err(message) = units::cron(expression)
        {
            self.wrong(&[at[0], at[1], "schedule", "cron"], message, None);
        }
    }

    fn feed(&mut self, at: &[&str; 2], settings: &raw::RepositorySettings) -> Option<Url> {
        let text = settings.feed.as_deref().filter(|text| !text.is_empty())?;
        self.url(&[at[0], at[1], "feed"], text, &["http", "https", "file"])
    }

    fn url(&mut self, path: &[&str], text: &str, schemes: &[&str]) -> Option<Url> {
        match Url::parse(text) {
            Ok(url) if schemes.contains(&url.scheme()) && (url.scheme() == "file" || url.has_host()) => Some(url),
            Ok(url) => {
                let message = format!(
                    "scheme {:?} is not supported here: expected {}",
                    url.scheme(),
                    schemes.join(" or ")
                );
                self.wrong(path, message, None);
                None
            }
            Err(error) => {
                self.wrong(path, format!("not a URL: {error}"), Some("`https://host/path/`"));
                None
            }
        }
    }

    fn filters(&mut self, at: &[&str; 2], raw: &raw::Repository) -> Filters {
        let filters = raw.settings.filters.clone().unwrap_or_default();
        let words = |choice: Option<raw::WordChoice>| {
            let choice = choice.unwrap_or_default();
            Words {
                include: choice.include.unwrap_or_default(),
                exclude: choice.exclude.unwrap_or_default(),
            }
        };
        let patterns = words(filters.patterns);
        for (list, name) in [(&patterns.include, "include"), (&patterns.exclude, "exclude")] {
            for (index, pattern) in list.iter().enumerate() {
                if let Err(error) = regex::Regex::new(pattern) {
                    let number = index.to_string();
                    let reason = error.to_string();
                    let reason = reason
                        .lines()
                        .last()
                        .unwrap_or_default()
                        .trim_start_matches("error: ")
                        .to_owned();
                    let path = [at[0], at[1], "filters", "patterns", name, number.as_str()];
                    self.wrong(
                        &path,
                        format!("{pattern:?} is not a regular expression: {reason}"),
                        None,
                    );
                }
            }
        }
        let post = filters.post_processing.unwrap_or_default();
        Filters {
            patterns_include: patterns.include,
            patterns_exclude: patterns.exclude,
            architectures: words(filters.metadata.and_then(|metadata| metadata.architectures)),
            exclude_sources: filters.blocks.exclude_sources(),
            only_latest: post.only_latest_version.unwrap_or(false),
        }
    }

    fn metadata(&self, metadata: Option<&raw::Metadata>) -> Metadata {
        use raw::{ChecksumName, CompressionName};
        let metadata = metadata.cloned().unwrap_or_default();
        Metadata {
            compression: match metadata.compression.unwrap_or(CompressionName::Auto) {
                CompressionName::Auto => None,
                CompressionName::Gzip => Some(Compression::Gzip),
                CompressionName::Zstd | CompressionName::Zstandard => Some(Compression::Zstd),
                CompressionName::Xz => Some(Compression::Xz),
                CompressionName::Bzip2 => Some(Compression::Bzip2),
                CompressionName::None => Some(Compression::None),
            },
            checksum: match metadata.checksum.unwrap_or(ChecksumName::Sha256) {
                ChecksumName::Sha256 => Algorithm::Sha256,
                ChecksumName::Sha384 => Algorithm::Sha384,
                ChecksumName::Sha512 => Algorithm::Sha512,
            },
        }
    }

    fn tree_path(&mut self, at: &[&str; 2], key: &str, text: Option<&str>) -> Option<RelPath> {
        match RelPath::parse(text?.trim_end_matches('/')) {
            Ok(path) if path.as_str().split('/').any(|segment| segment.starts_with('.')) => {
                self.wrong(
                    &[at[0], at[1], key],
                    format!("{key} {path:?} has a segment that starts with a dot"),
                    None,
                );
                None
            }
            Ok(path) => Some(path),
            Err(error) => {
                let hint = Some("a path below the published root, such as `rhel9/baseos`");
                self.wrong(&[at[0], at[1], key], format!("{key}: {error}"), hint);
                None
            }
        }
    }

    fn auth(&mut self, at: &[&str; 2], auth: Option<&raw::Auth>) -> Option<Auth> {
        let auth = auth?;
        let path = [at[0], at[1], "auth"];
        let Some(kind) = auth.r#type else {
            self.wrong(
                &path,
                "auth needs \"type\"",
                Some("client_cert, basic, bearer or custom"),
            );
            return None;
        };
        let secret = |text: &String| Secret::new(text, self.base);
        let missing = |keys: &str| format!("auth of this type needs {keys}");
        let found = match kind {
            raw::AuthKind::Basic => match (&auth.username, &auth.password) {
                (Some(username), Some(password)) => Ok(Auth::Basic {
                    username: username.clone(),
                    password: secret(password),
                }),
                _ => Err(missing("username and password")),
            },
            raw::AuthKind::Bearer => auth
                .token
                .as_ref()
                .map(|token| Auth::Bearer { token: secret(token) })
                .ok_or_else(|| missing("token")),
            raw::AuthKind::Custom => auth
                .headers
                .as_ref()
                .map(|headers| Auth::Custom {
                    headers: headers
                        .iter()
                        .map(|(name, value)| (name.clone(), secret(value)))
                        .collect(),
                })
                .ok_or_else(|| missing("headers")),
            raw::AuthKind::ClientCert => match (&auth.cert_file, &auth.key_file, &auth.cert_dir) {
                (Some(certificate), Some(key), _) => Ok(Auth::ClientCert {
                    cert_file: self.path(certificate),
                    key_file: self.path(key),
                }),
                (_, _, Some(_)) => return None,
                _ => Err(missing("cert_file and key_file")),
            },
        };
        found.map_err(|message| self.wrong(&path, message, None)).ok()
    }

    fn proxy(&mut self, at: &[&str; 2], proxy: Option<&raw::Proxy>) -> Proxy {
        let proxy = proxy.cloned().unwrap_or_default();
        let mut url = |key: &str, text: Option<&String>| {
            let own = [at[0], at[1], "proxy", key];
            let global = ["proxy", key];
            let path: &[&str] = if self.root.at(&own).is_some() { &own } else { &global };
            let text = text.filter(|text| !text.is_empty())?;
            self.url(path, text, &["http", "https", "socks5", "socks5h"])
        };
        let (http_proxy, https_proxy) = (
            url("http_proxy", proxy.http_proxy.as_ref()),
            url("https_proxy", proxy.https_proxy.as_ref()),
        );
        Proxy {
            http_proxy,
            https_proxy,
            no_proxy: proxy.no_proxy.map(|words| words.list()).unwrap_or_default(),
            username: proxy.username,
            password: proxy.password.map(|text| Secret::new(&text, self.base)),
        }
    }

    fn ssl(&self, ssl: Option<&raw::Ssl>) -> Ssl {
        let ssl = ssl.cloned().unwrap_or_default();
        let path = |text: Option<String>| text.map(|text| self.path(&text));
        Ssl {
            verify: ssl.verify.unwrap_or(true),
            ca_bundle: path(ssl.ca_bundle),
            ca_cert: ssl.ca_cert,
            client_cert: path(ssl.client_cert),
            client_key: path(ssl.client_key),
        }
    }

    /// A quantity of a repository's block, else of the global one, else the default.
    fn quantity<T>(
        &mut self,
        at: &[&str; 2],
        (block, key): (&str, &str),
        (own, global): (Option<&raw::Quantity>, Option<&raw::Quantity>),
        read: fn(&str) -> Result<T, String>,
        default: T,
    ) -> T {
        let own_path = [at[0], at[1], block, key];
        let (quantity, path): (_, &[&str]) = match (own, global) {
            (Some(own), _) => (own, &own_path),
            (None, Some(global)) => (global, &own_path[2..]),
            (None, None) => return default,
        };
        match read(&quantity.text()) {
            Ok(value) => value,
            Err(message) => {
                self.wrong(path, message, None);
                default
            }
        }
    }

    fn download(&mut self, at: &[&str; 2], global: Option<&raw::Download>, own: Option<&raw::Download>) -> Download {
        let (global, own) = (global.cloned().unwrap_or_default(), own.cloned().unwrap_or_default());
        for (block, prefix) in [(&own, &at[..]), (&global, &[])] {
            let path = |key| [prefix, &["download", key]].concat();
            if block.verify_checksum == Some(false) {
                let message = "download.verify_checksum cannot be switched off";
                self.wrong(&path("verify_checksum"), message, Some("remove the key"));
            }
            if block.backend == Some(raw::Backend::Aria2c) {
                self.wrong(
                    &path("backend"),
                    "backend aria2c is not offered",
                    Some("remove the key"),
                );
            }
        }
        let times = (own.timeout.as_ref(), global.timeout.as_ref());
        let idles = (own.idle_timeout.as_ref(), global.idle_timeout.as_ref());
        Download {
            parallel: own.parallel.or(global.parallel).unwrap_or(16) as usize,
            per_host: own.per_host.or(global.per_host).unwrap_or(8) as usize,
            timeout: self.quantity(
                at,
                ("download", "timeout"),
                times,
                units::duration,
                Duration::from_secs(300),
            ),
            idle_timeout: self.quantity(
                at,
                ("download", "idle_timeout"),
                idles,
                units::duration,
                Duration::from_secs(30),
            ),
            retry_attempts: own.retry_attempts.or(global.retry_attempts).unwrap_or(3),
        }
    }

    fn limits(&mut self, at: &[&str; 2], global: Option<&raw::Limits>, own: Option<&raw::Limits>) -> Limits {
        let (global, own) = (global.cloned().unwrap_or_default(), own.cloned().unwrap_or_default());
        let metadata = (own.metadata.as_ref(), global.metadata.as_ref());
        let package = (own.package.as_ref(), global.package.as_ref());
        Limits {
            metadata_bytes: self.quantity(at, ("limits", "metadata"), metadata, units::size, 4 << 30),
            package_bytes: self.quantity(at, ("limits", "package"), package, units::size, 64 << 30),
        }
    }

    fn publish(&mut self, at: &[&str; 2], global: Option<&raw::Publish>, own: Option<&raw::Publish>) -> Publish {
        let (global, own) = (global.cloned().unwrap_or_default(), own.cloned().unwrap_or_default());
        let own_path = [at[0], at[1], "publish", "base_url"];
        let base_url = match (&own.base_url, &global.base_url) {
            (Some(text), _) => self.url(&own_path, text, &["http", "https"]),
            (None, Some(text)) => self.url(&own_path[2..], text, &["http", "https"]),
            (None, None) => None,
        };
        let metadata = (own.metadata_grace.as_ref(), global.metadata_grace.as_ref());
        let package = (own.package_grace.as_ref(), global.package_grace.as_ref());
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Publish {
            auto: own.auto.or(global.auto).unwrap_or(false),
            base_url,
            metadata_grace: self.quantity(at, ("publish", "metadata_grace"), metadata, units::duration, hours(24)),
            package_grace: self.quantity(at, ("publish", "package_grace"), package, units::duration, hours(72)),
        }
    }

    fn duplicates(&mut self, repositories: &[Repository]) {
        let mut first: BTreeMap<&RepoId, usize> = BTreeMap::new();
        for repository in repositories {
            if let Some(line) = first.get(&repository.id) {
                let place = Place {
                    line: repository.line,
                    ..self.place_of(&repository.id, *line)
                };
                self.findings.push(Finding {
                    place,
                    message: format!(
                        "repository {:?} was defined before, in line {line}",
                        repository.id.as_str()
                    ),
                    hint: None,
                });
            } else {
                first.insert(&repository.id, repository.line);
            }
        }
    }

    /// Where the entry with an id stands that is not the one in `first`.
    fn place_of(&self, id: &RepoId, first: usize) -> Place {
        let list = self.root.get("repositories").map(Node::items).unwrap_or_default();
        list.iter()
            .filter(|node| node.place.line != first)
            .filter_map(|node| node.get("id"))
            .find(|node| matches!(&node.value, crate::node::Value::Text(text) if text == id.as_str()))
            .map_or(self.root.place, |node| node.place)
    }

    /// Trees that would lie in each other.
    fn trees(&mut self, repositories: &[Repository]) {
        let mut trees: Vec<(String, &RepoId)> = Vec::new();
        for repository in repositories {
            let own = |path: &Option<RelPath>, tail: &str| {
                path.as_ref()
                    .map_or_else(|| format!("{}/{tail}", repository.id), ToString::to_string)
            };
            trees.push((own(&repository.latest_path, "latest"), &repository.id));
            trees.push((own(&repository.snapshots_path, "snapshots"), &repository.id));
        }
        let mut collisions = Vec::new();
        for (index, (one, id)) in trees.iter().enumerate() {
            for (other, other_id) in &trees[..index] {
                let inside = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}/"));
                if (id != other_id || one != other) && (inside(one, other) || inside(other, one)) {
                    collisions.push((
                        format!("the trees {one:?} of {id} and {other:?} of {other_id} lie in each other"),
                        *id,
                    ));
                }
            }
        }
        for (message, id) in collisions {
            let place = self.place_of(id, 0);
            self.findings.push(Finding {
                place,
                message,
                hint: None,
            });
        }
    }

    fn views(&mut self, file: &raw::File) {
        let known: Vec<String> = file
            .repositories
            .iter()
            .flatten()
            .map(|repository| repository.id.clone())
            .collect();
        for (index, view) in file.views.iter().flatten().enumerate() {
            let number = index.to_string();
            for (position, repo) in view.repos.iter().enumerate() {
                if !known.contains(repo) {
                    let position = position.to_string();
                    let near: Vec<&str> = known.iter().map(String::as_str).collect();
                    let hint = crate::check::similar(repo, &near).map(|near| format!("did you mean `{near}`?"));
                    let path = ["views", number.as_str(), "repos", position.as_str()];
                    self.wrong(
                        &path,
                        format!("view {:?} names repository {repo:?}, which is not there", view.name),
                        hint.as_deref(),
                    );
                }
            }
        }
    }
}
