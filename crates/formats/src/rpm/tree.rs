//! Which files of an installation tree are mirrored.
//!
//! The description is not promised by the entry point, so it is an entry point of its own: bounded, checked for syntax,
//! and used in one sync only as it was first read. Everything that it names is verified against its `[checksums]`. A
//! tree of which one file cannot be verified is refused in mode `mirror`, and else left out as a whole: a description
//! is never served without what it names.

use chantal_model::{Mode, Promise, RelPath};

use super::href;
use super::treeinfo::{self, Described, MAX_BYTES, PATHS, Tree, TreeFile};
use super::wants::refuse_weak;
use crate::error::FormatError;
use crate::read::{Fetched, Got, Overview, ReadRequest, Role, Wanted};

/// The description, and then the files that it names.
pub(super) fn wants(have: &dyn Fetched, request: &ReadRequest) -> Result<Vec<Wanted>, FormatError> {
    if let Some(path) = description(have) {
        return Ok(vec![Wanted {
            id: path.to_owned(),
            href: path.to_owned(),
            path: RelPath::parse(path).expect("a fixed name is a path"),
            promise: None,
            limit_bytes: MAX_BYTES,
            optional: true,
            role: Role::Metadata,
            verbatim: true,
            record: Vec::new(),
        }]);
    }
    let Described::Tree(_, tree) = treeinfo::fetched(have)? else {
        return Ok(Vec::new());
    };
    match verifiable(&tree, request) {
        Ok(()) => Ok(tree.files.into_iter().map(|file| wanted(file, request)).collect()),
        Err(error) if request.mode == Mode::Mirror => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}

/// The name under which the description is to be asked for, unless it is there or every name was tried.
fn description(have: &dyn Fetched) -> Option<&'static str> {
    for path in PATHS {
        match have.get(path) {
            Got::NotAsked => return Some(path),
            Got::Here(_) => return None,
            Got::Absent => {}
        }
    }
    None
}

fn verifiable(tree: &Tree, request: &ReadRequest) -> Result<(), FormatError> {
    for file in &tree.files {
        match &file.digest {
            Some(digest) => refuse_weak(&file.text, digest, request)?,
            None => {
                return Err(FormatError::Weak {
                    file: file.text.clone(),
                    algorithm: None,
                });
            }
        }
    }
    Ok(())
}

fn wanted(file: TreeFile, request: &ReadRequest) -> Wanted {
    Wanted {
        id: format!("file/{}", file.path),
        href: href::reference(file.path.as_str()),
        promise: Some(Promise {
            size: None,
            digests: file.digest.into_iter().collect(),
        }),
        path: file.path,
        limit_bytes: request.max_metadata_bytes,
        optional: false,
        role: Role::Payload,
        verbatim: true,
        record: Vec::new(),
    }
}

/// What there is to say about the tree.
pub(super) fn report(have: &dyn Fetched, request: &ReadRequest, overview: &mut Overview) -> Result<(), FormatError> {
    let (path, tree) = match treeinfo::fetched(have)? {
        Described::Nothing => return Ok(()),
        Described::Page(path) => {
            overview.left_out.push(path.to_owned());
            let text = format!("{path} is a page for people, not the description of an installation tree; left out");
            overview.warnings.push(text);
            return Ok(());
        }
        Described::Tree(path, tree) => (path, tree),
    };
    if let Err(error) = verifiable(&tree, request) {
        overview.left_out.push(path.to_owned());
        overview.unverified += 1;
        let text =
            format!("the installation tree that {path} describes is left out, since not all can be verified: {error}");
        overview.warnings.push(text);
        return Ok(());
    }
    let weak = tree.files.iter().filter_map(|file| file.digest.as_ref());
    if let Some(digest) = weak.clone().find(|digest| digest.algorithm().is_weak()) {
        let text = format!("{path} promises files by {} only, which is weak", digest.algorithm());
        overview.warnings.push(text);
    }
    if !tree.repositories.is_empty() {
        let named: Vec<String> = tree
            .repositories
            .iter()
            .map(|(name, location)| format!("{name} ({location})"))
            .collect();
        let text = format!(
            "{path} also names repositories that are not mirrored with this one, each needs a feed of its own: {}",
            named.join(", ")
        );
        overview.warnings.push(text);
    }
    Ok(())
}
