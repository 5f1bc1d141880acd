//! Which repositories a command is about.

use chantal_config::{Config, Repository};
use chantal_model::RepoId;
use clap::Args;

use crate::failure::Failure;

/// One repository, by argument or by option.
#[derive(Clone, Debug, Args)]
pub(crate) struct One {
    /// Id of the repository
    #[arg(value_name = "REPO", required_unless_present = "repo_id")]
    repo: Option<String>,
    /// The same as an option
    #[arg(long, value_name = "REPO", conflicts_with = "repo")]
    repo_id: Option<String>,
}

impl One {
    /// Its id, checked.
    pub(crate) fn id(&self) -> Result<RepoId, Failure> {
        parse(self.repo.as_deref().or(self.repo_id.as_deref()).unwrap_or_default())
    }
}

/// One repository or none, by argument or by option.
#[derive(Clone, Debug, Args)]
pub(crate) struct Maybe {
    /// Id of the repository
    #[arg(value_name = "REPO")]
    repo: Option<String>,
    /// The same as an option
    #[arg(long, value_name = "REPO", conflicts_with = "repo")]
    repo_id: Option<String>,
}

impl Maybe {
    /// Its id, checked, if one was given.
    pub(crate) fn id(&self) -> Result<Option<RepoId>, Failure> {
        self.repo.as_deref().or(self.repo_id.as_deref()).map(parse).transpose()
    }
}

/// A repository and other words, where the repository may be an option instead.
pub(crate) fn split<const N: usize>(
    repo_id: Option<&str>,
    words: &[String],
    names: [&str; N],
) -> Result<(RepoId, [String; N]), Failure> {
    let (id, rest) = match (repo_id, words.split_first()) {
        (Some(id), _) => (id, words),
        (None, Some((id, rest))) => (id.as_str(), rest),
        (None, None) => ("", words),
    };
    let rest: [String; N] = rest.to_vec().try_into().map_err(|rest: Vec<String>| {
        let repo = if repo_id.is_some() { "with --repo-id" } else { "REPO" };
        let (names, count) = (names.join(" "), rest.len());
        Failure::usage(format!(
            "expected {repo} {names}, got {count} of {N} words after the repository"
        ))
    })?;
    Ok((parse(id)?, rest))
}

fn parse(text: &str) -> Result<RepoId, Failure> {
    text.parse()
        .map_err(|error: chantal_model::NameError| Failure::usage(error.to_string()))
}

const RULES: &str = "Which repositories";

/// Repositories to look at, by option; without any, all.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Among {
    /// Only this repository; may be given several times
    #[arg(long = "repo-id", alias = "repo", value_name = "REPO", help_heading = RULES)]
    repo_ids: Vec<String>,
    /// Enabled repositories whose id matches a glob
    #[arg(long, value_name = "GLOB", help_heading = RULES)]
    pattern: Option<String>,
    /// Enabled repositories with a tag; several tags: with any of them
    #[arg(long, value_name = "TAG", help_heading = RULES)]
    tag: Vec<String>,
    /// Enabled repositories of a format
    #[arg(long = "type", value_name = "FORMAT", help_heading = RULES)]
    r#type: Option<String>,
}

impl Among {
    /// Their ids, with those that were given as `words`. Empty: all.
    pub(crate) fn ids(&self, words: &[String], config: &Config) -> Result<Vec<RepoId>, Failure> {
        let is_rule = self.pattern.is_some() || !self.tag.is_empty() || self.r#type.is_some();
        if !is_rule {
            let mut ids: Vec<RepoId> = Vec::new();
            for id in words.iter().chain(&self.repo_ids) {
                let id = parse(id)?;
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            return Ok(ids);
        }
        let select = Select {
            repos: words.to_vec(),
            repo_ids: self.repo_ids.clone(),
            all: false,
            pattern: self.pattern.clone(),
            tag: self.tag.clone(),
            r#type: self.r#type.clone(),
        };
        let selected = select.among(config)?;
        let found = selected.ready.into_iter().chain(selected.left_out);
        Ok(found.map(|repo| repo.id.clone()).collect())
    }
}

/// Several repositories.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Select {
    /// Ids of repositories
    #[arg(value_name = "REPO")]
    repos: Vec<String>,
    /// The same as an option; may be given several times
    #[arg(long = "repo-id", value_name = "REPO", help_heading = RULES)]
    repo_ids: Vec<String>,
    /// All repositories that are enabled
    #[arg(long, help_heading = RULES)]
    all: bool,
    /// Enabled repositories whose id matches a glob
    #[arg(long, value_name = "GLOB", help_heading = RULES)]
    pattern: Option<String>,
    /// Enabled repositories with a tag; several tags: with any of them
    #[arg(long, value_name = "TAG", help_heading = RULES)]
    tag: Vec<String>,
    /// Enabled repositories of a format
    #[arg(long = "type", value_name = "FORMAT", help_heading = RULES)]
    r#type: Option<String>,
}

/// What was selected.
#[derive(Debug)]
pub(crate) struct Selected<'c> {
    /// Repositories that this version can work on.
    pub(crate) ready: Vec<&'c Repository>,
    /// Repositories that use configuration which this version does not act on.
    pub(crate) left_out: Vec<&'c Repository>,
    /// Repositories that a rule would choose if they were enabled.
    pub(crate) disabled: Vec<&'c Repository>,
    /// Whether they were chosen by a rule rather than by name.
    pub(crate) bulk: bool,
}

impl Select {
    /// Finds the repositories. One that is named must exist and be usable; a rule leaves out what is not.
    pub(crate) fn among<'c>(&self, config: &'c Config) -> Result<Selected<'c>, Failure> {
        let rule = self.all || self.pattern.is_some() || !self.tag.is_empty() || self.r#type.is_some();
        let named: Vec<&str> = self.repos.iter().chain(&self.repo_ids).map(String::as_str).collect();
        match (named.is_empty(), rule) {
            (true, false) => Err(Failure::usage("no repository was named").hint(hint_of(config))),
            (false, true) => Err(Failure::usage(
                "repositories are either named or chosen by --all, --pattern, --tag and --type, not both",
            )),
            (false, false) => by_name(&named, config),
            (true, true) => self.by_rule(config),
        }
    }

    fn by_rule<'c>(&self, config: &'c Config) -> Result<Selected<'c>, Failure> {
        let glob = match &self.pattern {
            Some(pattern) => Some(
                globset::Glob::new(pattern)
                    .map_err(|error| Failure::usage(format!("--pattern {pattern}")).because(&error))?
                    .compile_matcher(),
            ),
            None => None,
        };
        let matches = |repo: &&Repository| {
            glob.as_ref().is_none_or(|glob| glob.is_match(repo.id.as_str()))
                && (self.tag.is_empty() || self.tag.iter().any(|tag| repo.tags.contains(tag)))
                && self.r#type.as_ref().is_none_or(|wanted| *wanted == repo.r#type)
        };
        let (enabled, disabled): (Vec<_>, Vec<_>) = config
            .repositories
            .iter()
            .filter(matches)
            .partition(|repo| repo.enabled);
        let (ready, left_out): (Vec<_>, Vec<_>) = enabled.into_iter().partition(|repo| repo.unbuilt.is_empty());
        if ready.is_empty() && left_out.is_empty() {
            return Err(Failure::usage("no enabled repository matches").hint("`chantal repo list` shows all"));
        }
        Ok(Selected {
            ready,
            left_out,
            disabled,
            bulk: true,
        })
    }
}

fn by_name<'c>(named: &[&str], config: &'c Config) -> Result<Selected<'c>, Failure> {
    let mut ready: Vec<&Repository> = Vec::new();
    for name in named {
        let repo = find(config, &parse(name)?)?;
        if let Some(unbuilt) = unusable(repo) {
            return Err(unbuilt);
        }
        if !ready.iter().any(|there| there.id == repo.id) {
            ready.push(repo);
        }
    }
    Ok(Selected {
        ready,
        left_out: Vec::new(),
        disabled: Vec::new(),
        bulk: false,
    })
}

/// A repository of the configuration, or what may have been meant.
pub(crate) fn find<'c>(config: &'c Config, id: &RepoId) -> Result<&'c Repository, Failure> {
    config.repositories.iter().find(|repo| repo.id == *id).ok_or_else(|| {
        let near = config
            .repositories
            .iter()
            .map(|repo| (strsim::jaro_winkler(id.as_str(), repo.id.as_str()), &repo.id))
            .filter(|(likeness, _)| *likeness > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = match near {
            Some((_, near)) => format!("did you mean `{near}`?"),
            None => hint_of(config),
        };
        Failure::usage(unknown(id)).hint(hint)
    })
}

/// What is said of an id that no repository has.
pub(crate) fn unknown(id: &RepoId) -> String {
    format!("no repository {id} in the configuration")
}

/// Why this version cannot work on a repository, if it cannot.
pub(crate) fn unusable(repo: &Repository) -> Option<Failure> {
    let unbuilt = repo.unbuilt.first()?;
    let failure = Failure::usage(format!("repository {}: {unbuilt}", repo.id));
    Some(match &unbuilt.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    })
}

fn hint_of(config: &Config) -> String {
    const SHOWN: usize = 8;
    let ids: Vec<_> = config
        .repositories
        .iter()
        .take(SHOWN)
        .map(|repo| repo.id.as_str())
        .collect();
    match config.repositories.len() {
        0 => "the configuration has no repositories yet".into(),
        count if count > SHOWN => format!(
            "there are {}, … (`chantal repo list` shows all {count})",
            ids.join(", ")
        ),
        _ => format!("there are {}", ids.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_repository_is_the_first_word_or_an_option() {
        let (id, [from, to]) = split(None, &words("el9 a b"), ["FROM", "TO"]).unwrap();
        assert_eq!((id.as_str(), from.as_str(), to.as_str()), ("el9", "a", "b"));
        let (id, [from, to]) = split(Some("el9"), &words("a b"), ["FROM", "TO"]).unwrap();
        assert_eq!((id.as_str(), from.as_str(), to.as_str()), ("el9", "a", "b"));
    }

    #[test]
    fn too_few_and_too_many_words_are_refused() {
        for (option, text) in [
            (None, "el9 a"),
            (None, "el9 a b c"),
            (None, ""),
            (Some("el9"), "el9 a b"),
            (Some("../x"), "a b"),
        ] {
            assert_eq!(
                split(option, &words(text), ["FROM", "TO"]).unwrap_err().code,
                2,
                "{option:?} {text:?}"
            );
        }
    }

    fn config(text: &str) -> Config {
        let text = format!("repositories:\n{text}");
        chantal_config::load_text("/x/config.yaml".as_ref(), text, &|_| None)
            .unwrap()
            .config
    }

    fn ids(select: &Select, config: &Config) -> Result<String, u8> {
        let selected = select.among(config).map_err(|failure| failure.code)?;
        let join = |repos: &[&Repository]| repos.iter().map(|repo| repo.id.as_str()).collect::<Vec<_>>().join(" ");
        Ok(format!(
            "{}|{}|{}",
            join(&selected.ready),
            join(&selected.left_out),
            join(&selected.disabled)
        ))
    }

    const FOUR: &str = "- {id: el8, type: rpm, feed: 'http://x/', tags: [old]}\n\
                        - {id: el9, type: rpm, feed: 'http://x/', tags: [new, test]}\n\
                        - {id: off, type: rpm, feed: 'http://x/', enabled: false, tags: [old]}\n\
                        - {id: later, type: rpm, feed: 'http://x/', mode: mirror, retention: {policy: keep-all}}\n";

    fn rule(pattern: Option<&str>, tags: &[&str], format: Option<&str>) -> Select {
        Select {
            all: pattern.is_none() && tags.is_empty() && format.is_none(),
            pattern: pattern.map(str::to_owned),
            tag: tags.iter().map(ToString::to_string).collect(),
            r#type: format.map(str::to_owned),
            ..Select::default()
        }
    }

    #[test]
    fn rules_skip_what_is_disabled_and_narrow_each_other_down() {
        for (select, expected) in [
            (rule(None, &[], None), Ok("el8 el9|later|off")),
            (rule(Some("el*"), &[], None), Ok("el8 el9||")),
            (rule(Some("el*"), &["old"], None), Ok("el8||")),
            (rule(None, &["old", "new"], None), Ok("el8 el9||off")),
            (rule(None, &[], Some("rpm")), Ok("el8 el9|later|off")),
            (rule(None, &[], Some("none")), Err(2)),
            (rule(Some("{"), &[], None), Err(2)),
        ] {
            assert_eq!(ids(&select, &config(FOUR)), expected.map(str::to_owned), "{select:?}");
        }
    }

    #[test]
    fn names_are_taken_as_they_are_and_must_be_usable() {
        let named = |names: &str| Select {
            repos: words(names),
            ..Select::default()
        };
        for (names, expected) in [
            ("off el8 off", Ok("off el8||")),
            ("later", Err(2)),
            ("el8 nothing", Err(2)),
            ("", Err(2)),
            ("../x", Err(2)),
        ] {
            assert_eq!(
                ids(&named(names), &config(FOUR)),
                expected.map(str::to_owned),
                "{names}"
            );
        }
        let both = Select {
            all: true,
            ..named("el8")
        };
        assert_eq!(ids(&both, &config(FOUR)), Err(2));
    }

    #[test]
    fn a_name_that_is_nearly_right_is_suggested() {
        let config = config("- {id: rhel9-baseos, type: rpm, feed: 'http://x/'}\n");
        let hint = |id: &str| find(&config, &id.parse().unwrap()).unwrap_err().hint.unwrap();
        assert_eq!(hint("rhel9-basos"), "did you mean `rhel9-baseos`?");
        assert_eq!(hint("zzz"), "there are rhel9-baseos");
    }
}
