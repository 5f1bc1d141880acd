//! Makes each repository's entry whole before it is checked: its matrix is expanded, then `defaults` are put in.

use crate::check::{self, Finding};
use crate::matrix;
use crate::node::{Key, Node, Value};
use crate::schema::Schema;

/// Blocks that a key gives their meaning: where a repository sets it to something else, none of the default's other
/// keys fits, and the block is the repository's alone.
const KINDS: [(&str, &str); 2] = [("auth", "type"), ("retention", "policy")];

/// What could be put into entries.
#[derive(Clone, Copy)]
pub(crate) struct Completed {
    /// Whether every expansion is there.
    pub(crate) is_expanded: bool,
    /// Whether nothing had to be left out of the defaults.
    pub(crate) has_defaults: bool,
}

/// Puts whole entries in place of those that were written.
pub(crate) fn complete(schema: &Schema, root: &mut Node, findings: &mut Vec<Finding>) -> Completed {
    let before = findings.len();
    let defaults = defaults(schema, root, findings);
    let has_defaults = findings.len() == before;
    let Some(Node {
        value: Value::List(repositories),
        ..
    }) = root.get_mut("repositories")
    else {
        return Completed {
            is_expanded: true,
            has_defaults,
        };
    };
    let mut is_expanded = true;
    let mut names = Vec::new();
    let mut entries = Vec::new();
    for entry in std::mem::take(repositories) {
        if let Some(Value::Map(lists)) = entry.get("matrix").map(|matrix| &matrix.value) {
            names.extend(lists.iter().map(|(key, _)| key.name.clone()));
        }
        let expanded = matrix::expand(entry, findings);
        is_expanded &= expanded.is_whole;
        entries.extend(expanded.entries);
    }
    if let Some(defaults) = &defaults {
        literal(defaults, &names, findings);
        for entry in &mut entries {
            put_in(entry, defaults);
        }
    }
    *repositories = entries;
    Completed {
        is_expanded,
        has_defaults,
    }
}

/// Checks the defaults where they stand, and leaves what is wrong out of them, so that it is said once.
fn defaults(schema: &Schema, root: &mut Node, findings: &mut Vec<Finding>) -> Option<Node> {
    let (key, mut node) = root.take("defaults")?;
    let found = findings.len();
    own_keys(schema, &mut node, findings);
    let alone = Node::new(root.place, Value::Map(vec![(key.clone(), node)]));
    findings.extend(check::check(schema, &alone));
    let places: Vec<_> = findings[found..].iter().map(|finding| finding.place).collect();
    let node = alone.without(&places)?.take("defaults")?.1;
    root.entries_mut()?.push((key, node.clone()));
    Some(node)
}

/// Takes out what each repository has for itself: its own keys that `defaults` does not offer.
fn own_keys(schema: &Schema, node: &mut Node, findings: &mut Vec<Finding>) {
    let has = |block: &str, key: &str| {
        let block = schema.definition(block);
        block.is_some_and(|block| block["properties"].get(key).is_some())
    };
    let Some(entries) = node.entries_mut() else { return };
    entries.retain(|(key, _)| {
        let is_own = has("Repository", &key.name) && !has("Defaults", &key.name);
        if is_own {
            findings.push(Finding {
                place: key.place,
                message: format!("{:?} cannot be a default: each repository has its own", key.name),
                hint: Some("set it in the repositories; `matrix` makes several of one entry".to_owned()),
            });
        }
        !is_own
    });
}

/// Placeholders are those of an entry; in defaults they would stay as they are.
fn literal(defaults: &Node, names: &[String], findings: &mut Vec<Finding>) {
    match &defaults.value {
        Value::Text(text) => {
            if let Some(name) = matrix::names(text).find(|name| names.iter().any(|known| known == name)) {
                findings.push(Finding {
                    place: defaults.place,
                    message: format!("{{{name}}} is not replaced in defaults"),
                    hint: Some("set the value in the entry that has the matrix".to_owned()),
                });
            }
        }
        Value::List(items) => items.iter().for_each(|item| literal(item, names, findings)),
        Value::Map(entries) => entries.iter().for_each(|(_, node)| literal(node, names, findings)),
        _ => {}
    }
}

/// Adds what an entry does not set. Mappings are put together key by key; an explicit null leaves the default out, and
/// is itself taken out, so that the global block is what remains.
fn put_in(entry: &mut Node, defaults: &Node) {
    let (Some(own), Value::Map(defaults)) = (entry.entries_mut(), &defaults.value) else {
        return;
    };
    for (key, default) in defaults {
        if matches!(default.value, Value::Null) {
            continue;
        }
        match own.iter().position(|(known, _)| known.name == key.name) {
            None => own.push((key.clone(), default.clone())),
            Some(at) if matches!(own[at].1.value, Value::Null) => {
                own.remove(at);
            }
            Some(at) if is_of_another_kind(key, &own[at].1, default) => {}
            Some(at) => put_in(&mut own[at].1, default),
        }
    }
}

fn is_of_another_kind(key: &Key, own: &Node, default: &Node) -> bool {
    KINDS.iter().any(|(block, kind)| {
        let (own, default) = (own.get(kind), default.get(kind));
        *block == key.name
            && own
                .zip(default)
                .is_some_and(|(own, default)| own.to_json() != default.to_json())
    })
}
