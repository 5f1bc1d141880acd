//! A repository.

use std::time::Duration;

use chantal_model::{Algorithm, Compression, Mode, RelPath, RepoId};

use super::selection::retention;
use super::{At, Builder};
use crate::effective::{Metadata, Publish, Repository};
use crate::node::{Node, Place};
use crate::unbuilt::{self, Concerns, Set, Unbuilt};
use crate::{raw, units};

impl Builder<'_> {
    /// Builds one repository; `None` if its entry is not there at all.
    pub(super) fn repository(
        &mut self,
        file: &raw::File,
        at: &At,
        index: usize,
        raw: &raw::Repository,
    ) -> Option<Repository> {
        let settings = &raw.settings;
        let node = self.root.at(at)?;
        let id = self.id(at, index, &raw.id)?;
        let mode = match settings.mode.unwrap_or(raw::Mode::Filtered) {
            raw::Mode::Mirror => Mode::Mirror,
            raw::Mode::Filtered => Mode::Filtered,
            raw::Mode::Hosted => Mode::Hosted,
        };
        self.consistency(at, raw, mode);
        let origin = self.origin(at, settings);
        Some(Repository {
            name: settings.name.clone(),
            r#type: raw.format.word().to_owned(),
            feed: origin.feed,
            feed_kind: origin.kind,
            other_feeds: origin.others,
            enabled: settings.enabled.unwrap_or(true),
            mode,
            tags: settings.tags.clone().unwrap_or_default(),
            auth: origin.auth,
            proxy: self.proxy(at, settings.proxy.as_ref().or(file.proxy.as_ref())),
            ssl: self.ssl(at, settings.ssl.as_ref().or(file.ssl.as_ref())),
            download: self.download(at, file.download.as_ref(), settings.download.as_ref()),
            limits: self.limits(at, file.limits.as_ref(), settings.limits.as_ref()),
            filters: self.filters(at, settings.filters.as_ref()),
            modules: self.modules(at, settings.modules.clone()),
            retention: retention(settings.retention.as_ref()),
            guards: self.guards(at, settings),
            metadata: metadata(settings.metadata.as_ref()),
            publish: self.publish(at, file.publish.as_ref(), settings.publish.as_ref()),
            on_package_error: settings.on_package_error.unwrap_or(match mode {
                Mode::Mirror => raw::OnPackageError::Fail,
                _ => raw::OnPackageError::Skip,
            }),
            weaknesses: settings
                .allow_weak
                .iter()
                .flatten()
                .map(|weakness| weakness.word().to_owned())
                .collect(),
            latest_path: self.tree_path(at, "latest_path", settings.latest_path.as_deref()),
            snapshots_path: self.tree_path(at, "snapshots_path", settings.snapshots_path.as_deref()),
            schedule: self.schedule(at, settings.schedule.as_ref()),
            unbuilt: self.unbuilt(node, settings),
            line: node.place.line,
            id,
        })
    }

    fn id(&mut self, at: &At, index: usize, text: &str) -> Option<RepoId> {
        text.parse()
            .map_err(|error: chantal_model::NameError| self.wrong(&[at[0], at[1], "id"], error.to_string(), None))
            // The rest of the entry is checked all the same, under a name that nothing else has.
            .or_else(|()| format!("invalid-{index}").parse())
            .ok()
    }

    fn unbuilt(&self, node: &Node, settings: &raw::RepositorySettings) -> Vec<Unbuilt> {
        let own = |set: &Set| match set.key.as_str() {
            "gpg" => settings.gpg.is_some(),
            "verify" => settings.verify.is_some(),
            _ => false,
        };
        // A repository's own block replaces the global one.
        let global = unbuilt::top(self.root).into_iter();
        let global = global.filter(|set| set.concerns == Concerns::Everybody && !own(set));
        let sets = unbuilt::repository(node).into_iter().chain(global);
        sets.map(|set| Unbuilt {
            key: set.key,
            why: set.why.to_string(),
            place: self.shown(set.place),
            hint: set.hint.map(str::to_owned),
        })
        .collect()
    }

    /// File and line for people.
    pub(super) fn shown(&self, place: Place) -> String {
        let file = self.files.get(place.file);
        let file = file.map(|(path, _)| path.display().to_string()).unwrap_or_default();
        format!("{file}:{}", place.line)
    }

    /// Keys that exclude or need each other.
    fn consistency(&mut self, at: &At, raw: &raw::Repository, mode: Mode) {
        let settings = &raw.settings;
        self.source(at, raw, mode);
        for (key, is_set) in [
            ("filters", settings.filters.is_some()),
            ("modules", settings.modules.is_some()),
        ] {
            if mode == Mode::Mirror && is_set {
                let hint = "in mode mirror the metadata are upstream's own; use `mode: filtered`";
                let message = format!("mode mirror takes everything and has no {key}");
                self.unusable(at, &[key], message, Some(hint));
            }
        }
        if mode == Mode::Mirror && settings.on_package_error == Some(raw::OnPackageError::Skip) {
            let hint = "`fail` or `accept_missing`; or `mode: filtered`";
            let message = "mode mirror cannot leave packages out, since the metadata are upstream's own";
            self.unusable(at, &["on_package_error"], message.to_owned(), Some(hint));
        }
        if mode == Mode::Mirror {
            self.inherited_retention(at);
            self.generated_metadata(at, settings.metadata.as_ref());
        }
        self.certificates(at, settings);
        self.proxy_password(at, settings.proxy.as_ref());
        let retention = settings.retention.as_ref();
        let policy = retention.and_then(|retention| retention.policy);
        let count = retention.and_then(|retention| retention.keep_count);
        if policy == Some(raw::RetentionPolicy::KeepLastN) && count.is_none() {
            let message = "retention.policy keep-last-n needs keep_count";
            self.wrong(&[at[0], at[1], "retention", "policy"], message, None);
        }
        for foreign in raw.format.foreign_filters() {
            let path = [at[0], at[1], "filters", *foreign];
            if self.root.at(&path).is_some() {
                let message = format!("filters.{foreign} does not belong to type {}", raw.format.word());
                self.unusable(at, &path[2..], message, None);
            }
        }
    }

    /// In mode mirror no metadata are generated. What the defaults say of them is meant for repositories that do.
    fn generated_metadata(&mut self, at: &At, metadata: Option<&raw::Metadata>) {
        use raw::{ChecksumName, CompressionName};
        let compression = metadata.and_then(|metadata| metadata.compression);
        let checksum = metadata.and_then(|metadata| metadata.checksum);
        for (key, is_set) in [
            (
                "compression",
                compression.is_some_and(|name| name != CompressionName::Auto),
            ),
            ("checksum", checksum.is_some_and(|name| name != ChecksumName::Sha256)),
        ] {
            if is_set && !self.is_default(at, &["metadata", key]) {
                let message = format!("mode mirror generates nothing and has no metadata.{key}");
                let hint = "in mode mirror the metadata are upstream's own; use `mode: filtered`";
                self.wrong(&[at[0], at[1], "metadata", key], message, Some(hint));
            }
        }
    }

    /// There is one place that content comes from.
    fn source(&mut self, at: &At, raw: &raw::Repository, mode: Mode) {
        let settings = &raw.settings;
        let sources: Vec<&str> = [
            ("feed", settings.feed.as_ref().is_some_and(|feed| !feed.is_empty())),
            ("feeds", settings.feeds.as_ref().is_some_and(|feeds| !feeds.is_empty())),
            ("mirrorlist", settings.mirrorlist.is_some()),
            ("metalink", settings.metalink.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, set)| set.then_some(key))
        .collect();
        match (sources.as_slice(), mode) {
            ([], Mode::Mirror | Mode::Filtered) if self.is_whole(at) => {
                self.wrong(at, format!("repository {:?} needs a feed", raw.id), None);
            }
            ([first, second, ..], _) => {
                let message = format!("{first} and {second} exclude each other; give one");
                self.wrong(&[at[0], at[1], *second], message, None);
            }
            _ => {}
        }
    }

    fn tree_path(&mut self, at: &At, key: &str, text: Option<&str>) -> Option<RelPath> {
        let path = [at[0], at[1], key];
        let tree = match RelPath::parse(text?.trim_end_matches('/')) {
            Ok(tree) => tree,
            Err(error) => {
                let hint = Some("a path below the published root, such as `rhel9/baseos`");
                self.wrong(&path, format!("{key}: {error}"), hint);
                return None;
            }
        };
        let mut segments = tree.as_str().split('/');
        if segments.clone().any(|segment| segment.starts_with('.')) {
            self.wrong(
                &path,
                format!("{key} {tree:?} has a segment that starts with a dot"),
                None,
            );
        }
        if segments.next().is_some_and(|first| matches!(first, "views" | "env")) {
            self.wrong(
                &path,
                format!("{key}: `views` and `env` are kept for other trees"),
                None,
            );
        }
        Some(tree)
    }

    pub(super) fn publish(&mut self, at: &At, global: Option<&raw::Publish>, own: Option<&raw::Publish>) -> Publish {
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
}

fn metadata(metadata: Option<&raw::Metadata>) -> Metadata {
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
