//! Generated `modules.yaml`: the streams that are there, their published artifacts, and what is about them.
//!
//! Lines are taken out, nothing is written anew. An edit counts only if the document then reads as before but for what
//! was to go; where that cannot be had (nested flow style, aliases), the document stays as it is.

mod lines;
mod pairs;

use std::collections::HashSet;
use std::ops::Range;

use chantal_model::ItemKind;

use super::modulemd::with_epoch;
use super::render::{Entry, Lazy, Published};
use super::yaml::{self, Step};
use crate::error::FormatError;
use crate::render::{Content, RenderSettings, RenderedItem, Tree};

const STREAM: &str = "modulemd";
const ARTIFACTS: [&str; 3] = ["data", "artifacts", "rpms"];
const PROFILES: [&str; 2] = ["data", "profiles"];
const DEFAULTS: &str = "modulemd-defaults";
/// Documents that are about the streams of one module.
const ABOUT: [&str; 3] = [DEFAULTS, "modulemd-translations", "modulemd-obsoletes"];

/// Writes the documents about modules; nothing if there are none.
pub(super) fn render(
    content: &dyn Content,
    published: &Published,
    settings: &RenderSettings,
    tree: &dyn Tree,
) -> Result<Option<Entry>, FormatError> {
    let mut document = Lazy::new(("modules", "modules.yaml"), "", settings, tree);
    let streams = Streams::of(content, published)?;
    content.items(ItemKind::Module, &mut |item| {
        if !streams.keep(&item) {
            return Ok(());
        }
        let text = text(&item)?;
        let edited = match word(&item, "document") {
            STREAM => without_artifacts(text, published),
            DEFAULTS => streams.defaults(&item, text),
            _ => None,
        };
        document.write("", edited.as_deref().unwrap_or(text).as_bytes(), "...\n")
    })?;
    document.finish("")
}

fn word<'a>(item: &RenderedItem<'a>, name: &str) -> &'a str {
    item.attributes[name].as_str().unwrap_or_default()
}

fn text<'a>(item: &RenderedItem<'a>) -> Result<&'a str, FormatError> {
    std::str::from_utf8(item.record).map_err(|_| FormatError::malformed(item.key, "the stored document is damaged"))
}

/// The module streams of the content.
#[derive(Default)]
struct Streams {
    /// Keys of streams that have artifacts of which none is published.
    emptied: HashSet<String>,
    /// Module and stream of all others.
    there: HashSet<(String, String)>,
    modules: HashSet<String>,
}

impl Streams {
    fn of(content: &dyn Content, published: &Published) -> Result<Self, FormatError> {
        let mut streams = Self::default();
        content.items(ItemKind::Module, &mut |item| {
            if word(&item, "document") != STREAM {
                return Ok(());
            }
            let artifacts: Scalars = yaml::gather(text(&item)?).unwrap_or_default();
            let mut artifacts = artifacts.artifacts().peekable();
            if artifacts.peek().is_some() && !artifacts.any(|label| published.has_label(&label)) {
                streams.emptied.insert(item.key.to_owned());
            } else {
                let name = word(&item, "name").to_owned();
                streams.there.insert((name.clone(), word(&item, "stream").to_owned()));
                streams.modules.insert(name);
            }
            Ok(())
        })?;
        Ok(streams)
    }

    fn keep(&self, item: &RenderedItem<'_>) -> bool {
        match word(item, "document") {
            STREAM => !self.emptied.contains(item.key),
            about if ABOUT.contains(&about) => self.modules.contains(word(item, "name")),
            _ => true,
        }
    }

    fn is_there(&self, item: &RenderedItem<'_>, stream: &str) -> bool {
        self.there.contains(&(word(item, "name").to_owned(), stream.to_owned()))
    }

    /// A document of defaults without what it says about streams that are not there; `None` if nothing is to go or can
    /// go.
    fn defaults(&self, item: &RenderedItem<'_>, text: &str) -> Option<String> {
        let stream = word(item, "stream");
        let has_default = stream.is_empty() || self.is_there(item, stream);
        let edited = if has_default { None } else { without_default(text) };
        let left = edited.as_deref().unwrap_or(text);
        without_profiles(left, &|stream| self.is_there(item, stream)).or(edited)
    }
}

/// The stream without artifacts that are not published; `None` if nothing is to go or can go.
fn without_artifacts(text: &str, published: &Published) -> Option<String> {
    let mut gone = HashSet::new();
    let cuts = lines::cuts(text, &ARTIFACTS, &mut |value| {
        let label = with_epoch(value);
        let is_gone = !published.has_label(&label);
        if is_gone {
            gone.insert(label);
        }
        is_gone
    });
    edit(text, &cuts, &|path, value| {
        is_artifact(path) && gone.contains(&with_epoch(value))
    })
}

/// The defaults without the stream that they name.
fn without_default(text: &str) -> Option<String> {
    let path = ["data", "stream"];
    let cut = lines::pair(text, &path)?;
    edit(text, &[cut], &|at, _| is_at(at, &path))
}

/// The defaults without profiles of streams that are not there.
fn without_profiles(text: &str, is_there: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut gone = HashSet::new();
    let cuts = pairs::cuts(text, &PROFILES, &mut |stream| {
        let is_gone = !is_there(stream);
        if is_gone {
            gone.insert(stream.to_owned());
        }
        is_gone
    });
    edit(text, &cuts, &|path, _| match path.get(PROFILES.len()) {
        Some(Step::Key(stream)) => is_at(&path[..PROFILES.len()], &PROFILES) && gone.contains(stream),
        _ => false,
    })
}

fn edit(text: &str, cuts: &[Range<usize>], gone: &dyn Fn(&[Step], &str) -> bool) -> Option<String> {
    if cuts.is_empty() {
        return None;
    }
    let mut edited = String::with_capacity(text.len());
    let mut done = 0;
    for cut in cuts {
        edited.push_str(text.get(done..cut.start)?);
        done = cut.end;
    }
    edited.push_str(text.get(done..)?);
    let Scalars(mut before) = yaml::gather(text).ok()?;
    before.retain(|(path, value)| !gone(path, value));
    let Scalars(after) = yaml::gather(&edited).ok()?;
    (before == after).then_some(edited)
}

/// Every scalar of a document with its path.
#[derive(Default)]
struct Scalars(Vec<(Vec<Step>, String)>);

impl yaml::Gather for Scalars {
    fn take(&mut self, path: &[Step], value: &str) {
        self.0.push((path.to_vec(), value.to_owned()));
    }
}

impl Scalars {
    fn artifacts(&self) -> impl Iterator<Item = String> {
        let artifacts = self.0.iter().filter(|(path, _)| is_artifact(path));
        artifacts.map(|(_, value)| with_epoch(value))
    }
}

fn is_artifact(path: &[Step]) -> bool {
    path.split_last()
        .is_some_and(|(last, path)| *last == Step::Entry && is_at(path, &ARTIFACTS))
}

fn is_at(path: &[Step], keys: &[&str]) -> bool {
    path.len() == keys.len()
        && path
            .iter()
            .zip(keys)
            .all(|(step, key)| matches!(step, Step::Key(step) if step == key))
}
