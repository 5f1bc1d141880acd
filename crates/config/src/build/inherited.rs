//! What comes from `defaults`.

use super::{At, Builder};
use crate::check::Finding;
use crate::node::{Node, Place, Value};
use crate::raw;

impl Builder<'_> {
    /// Checks the defaults even where no repository uses them, as far as they have a meaning by themselves.
    pub(super) fn defaults(&mut self, defaults: Option<&raw::Defaults>) {
        let (Some(defaults), Some((key, node))) = (defaults, self.root.entry("defaults")) else {
            return;
        };
        let entry = Node::new(key.place, Value::List(vec![node.clone()]));
        let mut key = key.clone();
        "repositories".clone_into(&mut key.name);
        let root = Node::new(self.root.place, Value::Map(vec![(key, entry)]));
        let mut alone = Builder {
            root: &root,
            findings: Vec::new(),
            warnings: Vec::new(),
            ..*self
        };
        alone.default_blocks(&["repositories", "0"], &defaults.settings);
        self.findings.extend(alone.findings);
    }

    fn default_blocks(&mut self, at: &At, settings: &raw::RepositorySettings) {
        self.proxy(at, settings.proxy.as_ref());
        self.download(at, None, settings.download.as_ref());
        self.limits(at, None, settings.limits.as_ref());
        self.publish(at, None, settings.publish.as_ref());
        self.filters(at, settings.filters.as_ref());
        self.guards(at, settings);
        self.schedule(at, settings.schedule.as_ref());
        if let Some((kind, auth)) = settings.auth.as_ref().and_then(|auth| Some((auth.r#type?, auth))) {
            self.keys_of_other_kinds(at, kind, auth);
        }
        self.certificates(at, settings);
    }

    /// Names a key that the repository's mode or type cannot use; one that comes from the defaults at both places.
    pub(super) fn unusable(&mut self, at: &At, key: &[&str], message: String, hint: Option<&str>) {
        let path = [at.as_slice(), key].concat();
        let place = self.place(&path);
        let Some(there) = self.default_place(key).filter(|there| *there == place) else {
            return self.wrong(&path, message, hint);
        };
        let id = self.root.at(&[at[0], at[1], "id"]);
        let id = id.and_then(Node::written).unwrap_or_default();
        // A part of a block that only makes sense as a whole is left out with the rest.
        let left_out = if key.starts_with(&["retention"]) {
            &key[..1]
        } else {
            key
        };
        self.findings.push(Finding {
            place: self.place(&[at[0], at[1], "id"]),
            message: format!(
                "{message}, but defaults set {} for {id:?}, in {}",
                key.join("."),
                self.shown(there)
            ),
            hint: Some(format!("`{}` in the repository leaves the default out", null(left_out))),
        });
    }

    /// In mode mirror there is one retention; another one that comes from the defaults was meant for others.
    pub(super) fn inherited_retention(&mut self, at: &At) {
        for (key, only) in [("policy", "mirror"), ("deleted_packages", "remove")] {
            let path = [at[0], at[1], "retention", key];
            let word = self.root.at(&path).and_then(Node::written);
            let Some(word) = word.filter(|word| *word != only) else {
                continue;
            };
            if self.default_place(&path[2..]) == Some(self.place(&path)) {
                let message = format!("mode mirror has no retention.{key} {word}");
                return self.unusable(at, &path[2..], message, None);
            }
        }
    }

    /// Whether a repository's key comes from the defaults.
    pub(super) fn is_default(&self, at: &At, key: &[&str]) -> bool {
        self.default_place(key) == Some(self.place(&[at.as_slice(), key].concat()))
    }

    fn default_place(&self, key: &[&str]) -> Option<Place> {
        let path = [&["defaults"], key].concat();
        self.root.at(&path).map(|node| node.place)
    }
}

/// The key set to nothing, in one line.
fn null(key: &[&str]) -> String {
    match key {
        [] => "null".to_owned(),
        [last] => format!("{last}: null"),
        [first, rest @ ..] => format!("{first}: {{{}}}", null(rest)),
    }
}
