//! From the configuration's filters to those of selection.

use chantal_config::{Repository, Words};
use chantal_select::{Choice, FieldChoice, Filters, Keep, Range, Retention};

use crate::error::EngineError;

const DAY: i64 = 86_400;

/// Compiles a repository's filters; `now` is in seconds since 1970.
pub(crate) fn compile(repo: &Repository, now: i64) -> Result<Filters, EngineError> {
    let filters = &repo.filters;
    let mut compiled = Filters::new(&filters.patterns_include, &filters.patterns_exclude).map_err(|error| {
        EngineError::Configuration {
            repo: repo.id.to_string(),
            message: error.to_string(),
            hint: None,
        }
    })?;
    let built = &filters.build_time;
    let since = built.last_n_days.map(|days| now.saturating_sub(DAY * i64::from(days)));
    compiled.architectures = choice(&filters.architectures);
    compiled.exclude_sources = filters.exclude_sources;
    compiled.size_bytes = Range {
        min: filters.size_bytes.0,
        max: filters.size_bytes.1,
    };
    compiled.build_time = Range {
        min: since.max(built.newer_than),
        max: built.older_than.map(|until| until - 1),
    };
    compiled.fields = filters
        .fields
        .iter()
        .map(|one| FieldChoice {
            field: one.field.clone(),
            choice: choice(&one.words),
        })
        .collect();
    compiled.bundles = choice(&repo.modules);
    compiled.latest = filters.latest as usize;
    compiled.retention = Retention {
        keep: match repo.retention.keep {
            chantal_config::Keep::Listed => Keep::Listed,
            chantal_config::Keep::Newest(count) => Keep::Newest(count as usize),
            chantal_config::Keep::All => Keep::All,
        },
        keep_vanished: repo.retention.keep_deleted,
    };
    Ok(compiled)
}

fn choice(words: &Words) -> Choice {
    Choice {
        include: words.include.clone(),
        exclude: words.exclude.clone(),
    }
}
