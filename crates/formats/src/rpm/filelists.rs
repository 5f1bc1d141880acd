//! `filelists.xml` and `other.xml`: more about each package, by pkgid.
//!
//! Only the pkgid is read; the rest is handed on as it came.

use std::io::BufRead;

use super::xml::{Doctype, Node, Xml, has_control};
use crate::error::FormatError;
use crate::read::Flow;

/// The most files or changelog entries of one package.
const MAX_ENTRIES: u64 = 5_000_000;

/// Passes over a document and hands out each package's pkgid and fragment.
///
/// A package without a pkgid, or with a control character that clients refuse, is left out.
///
/// # Errors
/// [`FormatError::Malformed`] for what is not XML or has another root than `root`.
pub(super) fn read(
    input: impl BufRead,
    file: &str,
    root: &str,
    take: &mut dyn FnMut(&str, &[u8]) -> Flow,
) -> Result<(), FormatError> {
    let mut xml = Xml::new(input, file, Doctype::Refused);
    xml.root(root)?;
    while let Some(start) = xml.next_child()? {
        let pkgid = xml.attribute("pkgid").filter(|_| xml.local_name() == "package");
        let mut entries = 0_u64;
        loop {
            match xml.next()? {
                Node::Start => entries += 1,
                Node::End if xml.depth() == 2 => break,
                _ => {}
            }
            if entries > MAX_ENTRIES {
                return Err(xml.limit("entries of one package", MAX_ENTRIES.to_string()));
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
