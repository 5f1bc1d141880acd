//! Cuts elements out of metadata whose form is known; no parser of XML.

use chantal_model::Sha256;

/// Stretches of text from `open` to `close`, both included.
pub(super) fn elements<'a>(mut text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    std::iter::from_fn(move || {
        let start = text.find(open)?;
        let end = start + text[start..].find(close)? + close.len();
        let element = &text[start..end];
        text = &text[end..];
        Some(element)
    })
}

/// The value of the first attribute of this name.
pub(super) fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = element.split_once(&format!(" {name}=\""))?;
    after.split_once('"').map(|(value, _)| value)
}

/// The text of the first element of this name.
pub(super) fn text<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = element.split_once(&format!("<{name}"))?;
    let (_, after) = after.split_once('>')?;
    after.split_once("</").map(|(text, _)| text)
}

/// The element with another value of the first attribute of this name.
pub(super) fn swap_attribute(element: &str, name: &str, value: &str) -> String {
    let start = format!(" {name}=\"");
    let Some((before, after)) = element.split_once(&start) else {
        return element.to_owned();
    };
    let (_, after) = after.split_once('"').expect("an attribute ends");
    format!("{before}{start}{value}\"{after}")
}

/// The `<package>` element of primary with another digest and size.
pub(super) fn swap_primary(element: &str, pkgid: &str, size: usize) -> String {
    let (before, after) = element.split_once("<checksum ").expect("a package has a checksum");
    let (_, after) = after.split_once("</checksum>").expect("a checksum ends");
    let (middle, after) = after.split_once("<size ").expect("a package has a size");
    let (sizes, after) = after.split_once('>').expect("a size ends");
    let sizes = swap_attribute(&format!(" {sizes}"), "package", &size.to_string());
    format!("{before}<checksum type=\"sha256\" pkgid=\"YES\">{pkgid}</checksum>{middle}<size{sizes}>{after}")
}

/// Who a package is, escaped as in the metadata.
pub(super) struct Identity<'a> {
    pub(super) name: &'a str,
    pub(super) arch: &'a str,
    pub(super) epoch: &'a str,
    pub(super) version: &'a str,
    pub(super) release: &'a str,
    pub(super) pkgid: &'a str,
    pub(super) href: String,
}

/// What is needed to make a body anew.
pub(super) struct Owned {
    pub(super) seed: String,
    pub(super) size: usize,
}

impl<'a> Identity<'a> {
    /// Reads it from an element of primary or of filelists.
    pub(super) fn read(element: &'a str) -> Self {
        let of_version = |name| attribute(element, name).unwrap_or_else(|| panic!("no {name} in {element}"));
        let (epoch, version, release) = (of_version("epoch"), of_version("ver"), of_version("rel"));
        let is_primary = element.starts_with("<package type=");
        let (name, arch, pkgid) = if is_primary {
            (text(element, "name"), text(element, "arch"), text(element, "checksum"))
        } else {
            (
                attribute(element, "name"),
                attribute(element, "arch"),
                attribute(element, "pkgid"),
            )
        };
        let named = name.and_then(|name| Some((name, arch?, pkgid?)));
        let (name, arch, pkgid) = named.unwrap_or_else(|| panic!("no name, arch or checksum in {element}"));
        let href = if is_primary {
            attribute(element, "href")
                .unwrap_or_else(|| panic!("no href in {element}"))
                .to_owned()
        } else {
            format!("Packages/{name}-{version}-{release}.{arch}.rpm")
        };
        Self {
            name,
            arch,
            epoch,
            version,
            release,
            pkgid,
            href: href.replace("&amp;", "&"),
        }
    }

    pub(super) fn label(&self) -> String {
        let Self {
            name,
            arch,
            epoch,
            version,
            release,
            ..
        } = self;
        format!("{name}-{epoch}:{version}-{release}.{arch}").replace("&amp;", "&")
    }

    /// One body for one location, even if the metadata names it twice.
    pub(super) fn seed(&self) -> String {
        format!("{} at {}", self.label(), self.href)
    }

    pub(super) fn size(&self) -> usize {
        let digest = Sha256::of(self.seed().as_bytes()).0;
        200 + usize::from(u16::from_be_bytes([digest[0], digest[1]]) % 1024)
    }

    pub(super) fn owned(&self) -> Owned {
        Owned {
            seed: self.seed(),
            size: self.size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = "<package type=\"rpm\">\n  <name>c&amp;o</name>\n  <arch>noarch</arch>\n  \
        <version epoch=\"1\" ver=\"2\" rel=\"3\"/>\n  <checksum type=\"sha\" pkgid=\"YES\">abc</checksum>\n  \
        <size package=\"10\" installed=\"20\" archive=\"30\"/>\n  <location href=\"c&amp;o.rpm\"/>\n</package>";

    #[test]
    fn only_digest_and_size_are_swapped() {
        let swapped = swap_primary(PACKAGE, "def", 7);
        let expected = PACKAGE
            .replace("type=\"sha\"", "type=\"sha256\"")
            .replace("abc", "def")
            .replace("package=\"10\"", "package=\"7\"");
        assert_eq!(swapped, expected);
    }

    #[test]
    fn escapes_are_undone_in_labels_and_locations() {
        let identity = Identity::read(PACKAGE);
        assert_eq!(identity.label(), "c&o-1:2-3.noarch");
        assert_eq!(identity.href, "c&o.rpm");
        assert_eq!(identity.pkgid, "abc");
    }
}
