//! Which packages a repository takes and keeps.

use std::time::Duration;

use super::{At, Builder};
use crate::effective::{BuildTime, FieldChoice, Filters, Guards, Keep, Retention, Words};
use crate::{raw, units};

/// Share of packages in percent that a sync may remove, where nothing else is said.
const MAX_REMOVED_PERCENT: u32 = 50;

impl Builder<'_> {
    pub(super) fn filters(&mut self, at: &At, filters: Option<&raw::Filters>) -> Filters {
        let filters = filters.cloned().unwrap_or_default();
        let patterns = words(filters.patterns);
        self.patterns(at, "include", &patterns.include);
        self.patterns(at, "exclude", &patterns.exclude);
        for (key, message) in filters.blocks.wrong() {
            self.filter_wrong(at, &key.iter().map(String::as_str).collect::<Vec<_>>(), &message);
        }
        let choices = filters.blocks.choices().into_iter();
        let metadata = filters.metadata.unwrap_or_default();
        let size = metadata.size_bytes.unwrap_or_default();
        if size.max == Some(0) {
            let message = "size_bytes.max of 0 would let nothing through";
            self.filter_wrong(at, &["metadata", "size_bytes", "max"], message);
        }
        if let (Some(min), Some(max)) = (size.min, size.max)
            && min > max
        {
            let message = format!("size_bytes: nothing is at least {min} and at most {max} bytes large");
            self.filter_wrong(at, &["metadata", "size_bytes", "max"], &message);
        }
        let post = filters.post_processing.unwrap_or_default();
        if post.only_latest_version == Some(true) && post.only_latest_n_versions.is_some_and(|count| count > 1) {
            let message = "only_latest_version and only_latest_n_versions exclude each other; give one";
            self.filter_wrong(at, &["post_processing", "only_latest_n_versions"], message);
        }
        Filters {
            patterns_include: patterns.include,
            patterns_exclude: patterns.exclude,
            architectures: words(metadata.architectures),
            exclude_sources: filters.blocks.exclude_sources(),
            exclude_trees: filters.blocks.exclude_trees(),
            size_bytes: (size.min, size.max),
            build_time: self.build_time(at, metadata.build_time.unwrap_or_default()),
            fields: choices
                .map(|(field, choice)| FieldChoice {
                    field: field.to_owned(),
                    words: words(Some(choice)),
                })
                .filter(|choice| choice.words != Words::default())
                .collect(),
            latest: match post.only_latest_version {
                Some(true) => 1,
                _ => post.only_latest_n_versions.unwrap_or(0),
            },
        }
    }

    fn build_time(&mut self, at: &At, raw: raw::BuildTime) -> BuildTime {
        let mut time = |key: &str, text: Option<String>| {
            units::time(&text?)
                .map_err(|message| self.filter_wrong(at, &["metadata", "build_time", key], &message))
                .ok()
        };
        let (newer_than, older_than) = (time("newer_than", raw.newer_than), time("older_than", raw.older_than));
        if let (Some(from), Some(until)) = (newer_than, older_than)
            && from >= until
        {
            let message = "build_time: nothing is newer than newer_than and older than older_than";
            self.filter_wrong(at, &["metadata", "build_time", "older_than"], message);
        }
        BuildTime {
            newer_than,
            older_than,
            last_n_days: raw.last_n_days,
        }
    }

    fn patterns(&mut self, at: &At, name: &str, patterns: &[String]) {
        for (index, pattern) in patterns.iter().enumerate() {
            let Err(error) = regex::Regex::new(pattern) else {
                continue;
            };
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            let message = format!("{pattern:?} is not a regular expression: {reason}");
            self.filter_wrong(at, &["patterns", name, &index.to_string()], &message);
        }
    }

    /// Which module streams to take; a word of other parts than a stream has names none.
    pub(super) fn modules(&mut self, at: &At, choice: Option<raw::WordChoice>) -> Words {
        let words = words(choice);
        for (name, list) in [("include", &words.include), ("exclude", &words.exclude)] {
            for (index, word) in list.iter().enumerate() {
                let parts: Vec<&str> = word.split(':').collect();
                let is_version = |part: &&str| part.bytes().all(|b| b.is_ascii_digit());
                let is_whole = parts.len() <= MODULE_PARTS && parts.iter().all(|part| !part.is_empty());
                if is_whole && !parts.get(2).is_some_and(is_version) {
                    continue;
                }
                let message = format!("{word:?} names no module stream");
                let hint = "name, name:stream or name:stream:arch; a stream is taken with its versions";
                self.wrong(
                    &[at[0], at[1], "modules", name, &index.to_string()],
                    message,
                    Some(hint),
                );
            }
        }
        words
    }

    fn filter_wrong(&mut self, at: &At, key: &[&str], message: &str) {
        let path = [&[at[0], at[1], "filters"], key].concat();
        self.wrong(&path, message, None);
    }

    pub(super) fn guards(&mut self, at: &At, settings: &raw::RepositorySettings) -> Guards {
        let max_age = settings.max_age.as_ref().map(|age| units::duration(&age.text()));
        let path = [at[0], at[1], "max_age"];
        let max_age: Option<Duration> =
            max_age.and_then(|age| age.map_err(|message| self.wrong(&path, message, None)).ok());
        if max_age.is_some_and(|age| age.is_zero()) {
            let message = "max_age of 0 would warn of every feed";
            self.wrong(&path, message, Some("remove the key for no warning"));
        }
        Guards {
            max_removed_percent: settings.max_removed_percent.unwrap_or(MAX_REMOVED_PERCENT),
            allow_rollback: settings.allow_rollback.unwrap_or(false),
            max_age,
        }
    }
}

/// The most parts of what names module streams: `name:stream:arch`.
const MODULE_PARTS: usize = 3;

pub(super) fn words(choice: Option<raw::WordChoice>) -> Words {
    let choice = choice.unwrap_or_default();
    Words {
        include: choice.include.unwrap_or_default(),
        exclude: choice.exclude.unwrap_or_default(),
    }
}

pub(super) fn retention(raw: Option<&raw::Retention>) -> Retention {
    use raw::{DeletedPackages, RetentionPolicy};
    let policy = raw.and_then(|raw| raw.policy).unwrap_or(RetentionPolicy::Mirror);
    let count = raw.and_then(|raw| raw.keep_count).unwrap_or(1);
    let (keep, keep_deleted) = match policy {
        RetentionPolicy::Mirror => (Keep::Listed, false),
        RetentionPolicy::NewestOnly => (Keep::Newest(1), false),
        RetentionPolicy::KeepLastN => (Keep::Newest(count), true),
        RetentionPolicy::KeepAll => (Keep::All, true),
    };
    let deleted = raw.and_then(|raw| raw.deleted_packages);
    Retention {
        keep,
        keep_deleted: deleted.map_or(keep_deleted, |deleted| deleted == DeletedPackages::Keep),
    }
}
