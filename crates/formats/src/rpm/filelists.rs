//! `filelists.xml` and `other.xml`: more about each package, by pkgid.
//!
//! Only the pkgid is read; the rest is handed on as it came.

use std::io::BufRead;

use super::xml::{Doctype, Node, Xml, cut, has_control};
use crate::error::FormatError;
use crate::read::Flow;

/// The most elements of one package, whatever they are.
const MAX_ENTRIES: u64 = 20_000_000;

/// Passes over a document and hands out each package's pkgid and fragment.
///
/// A package without a pkgid, or with a control character that clients refuse, is left out.
///
/// # Errors
/// [`FormatError::Malformed`] for what is not XML or has another root than `root`, [`FormatError::Limit`] for a package
/// of more than `max_files` files.
pub(super) fn read(
    input: impl BufRead,
    file: &str,
    root: &str,
    max_files: u64,
    take: &mut dyn FnMut(&str, &[u8]) -> Flow,
) -> Result<(), FormatError> {
    let mut xml = Xml::new(input, file, Doctype::Refused);
    xml.root(root)?;
    while let Some(start) = xml.next_child()? {
        let pkgid = xml.attribute("pkgid").filter(|_| xml.local_name() == "package");
        let name = xml.attribute("name").unwrap_or_default();
        let (mut entries, mut files) = (0_u64, 0_u64);
        loop {
            match xml.next()? {
                Node::Start => {
                    entries += 1;
                    files += u64::from(xml.local_name() == "file");
                }
                Node::End if xml.depth() == 2 => break,
                _ => {}
            }
            if files > max_files {
                let limit = format!("{max_files} (`limits.files_per_package`)");
                return Err(xml.limit(&format!("the number of files of package {:?}", cut(&name)), limit));
            }
            if entries > MAX_ENTRIES {
                return Err(xml.limit("the number of entries of one package", MAX_ENTRIES.to_string()));
            }
        }
        let fragment = &xml.recorded()[start..];
        if let Some(pkgid) = pkgid
            && !has_control(fragment)
        {
            take(pkgid.trim(), fragment).map_err(|_| FormatError::Stopped)?;
        }
    }
    Ok(())
}

/// Reads no further than the start tag of the root, which must be `root`.
///
/// # Errors
/// As [`read`].
pub(super) fn root_tag(input: impl BufRead, file: &str, root: &str) -> Result<String, FormatError> {
    Xml::new(input, file, Doctype::Refused).root(root)
}
