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
        let choices = filters.blocks.choices().into_iter();
        let metadata = filters.metadata.unwrap_or_default();
        let size = metadata.size_bytes.unwrap_or_default();
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

    fn filter_wrong(&mut self, at: &At, key: &[&str], message: &str) {
        let path = [&[at[0], at[1], "filters"], key].concat();
        self.wrong(&path, message, None);
    }

    pub(super) fn guards(&mut self, at: &At, settings: &raw::RepositorySettings) -> Guards {
        let max_age = settings.max_age.as_ref().map(|age| units::duration(&age.text()));
        let max_age: Option<Duration> = max_age.and_then(|age| {
            age.map_err(|message| self.wrong(&[at[0], at[1], "max_age"], message, None))
                .ok()
        });
        Guards {
            max_removed_percent: settings.max_removed_percent.unwrap_or(MAX_REMOVED_PERCENT),
            allow_rollback: settings.allow_rollback.unwrap_or(false),
            max_age,
        }
    }
}

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
