//! primary, filelists, other and repomd.xml, laid out as createrepo_c lays them out.

use std::fmt::Write as _;

use chantal_model::Algorithm;

use crate::rpm::{Dependency, FileKind, Rpm};

/// A package as metadata describes it.
pub(crate) struct Described<'a> {
    pub(crate) rpm: &'a Rpm,
    pub(crate) digest: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) href: String,
    pub(crate) base: Option<&'a str>,
    pub(crate) size: u64,
    pub(crate) installed: u64,
    pub(crate) archive: u64,
    pub(crate) header: (u64, u64),
    /// More XML inside of `<format>`, as other tools add it.
    pub(crate) vendor_format: &'a str,
    /// More XML inside of `<package>`.
    pub(crate) vendor_package: &'a str,
}

/// Escapes text for XML as libxml2 does.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Escapes text for a double-quoted attribute.
pub(crate) fn attribute(text: &str) -> String {
    escape(text)
        .replace('"', "&quot;")
        .replace('\n', "&#10;")
        .replace('\t', "&#9;")
}

fn element(out: &mut String, indent: &str, name: &str, text: &str) {
    let _ = writeln!(out, "{indent}<{name}>{}</{name}>", escape(text));
}

/// How createrepo_c calls an algorithm.
pub(crate) fn checksum_name(algorithm: Algorithm) -> &'static str {
    algorithm.name()
}

/// The `<package>` element of primary, with its line break.
pub(crate) fn primary(described: &Described<'_>) -> String {
    let rpm = described.rpm;
    let mut out = String::from("<package type=\"rpm\">\n");
    element(&mut out, "  ", "name", &rpm.name);
    element(&mut out, "  ", "arch", &rpm.arch);
    let version = (rpm.epoch, attribute(&rpm.version), attribute(&rpm.release));
    let _ = writeln!(
        out,
        "  <version epoch=\"{}\" ver=\"{}\" rel=\"{}\"/>",
        version.0, version.1, version.2
    );
    let checksum = (checksum_name(described.algorithm), &described.digest);
    let _ = writeln!(
        out,
        "  <checksum type=\"{}\" pkgid=\"YES\">{}</checksum>",
        checksum.0, checksum.1
    );
    element(&mut out, "  ", "summary", &rpm.summary);
    element(&mut out, "  ", "description", &rpm.description);
    element(&mut out, "  ", "packager", &rpm.packager);
    element(&mut out, "  ", "url", &rpm.url);
    let _ = writeln!(out, "  <time file=\"{0}\" build=\"{0}\"/>", rpm.build_time);
    let (size, installed, archive) = (described.size, described.installed, described.archive);
    let _ = writeln!(
        out,
        "  <size package=\"{size}\" installed=\"{installed}\" archive=\"{archive}\"/>"
    );
    let base = described
        .base
        .map_or_else(String::new, |base| format!(" xml:base=\"{}\"", attribute(base)));
    let _ = writeln!(out, "  <location{base} href=\"{}\"/>", attribute(&described.href));
    format_element(&mut out, described);
    out.push_str(described.vendor_package);
    out.push_str("</package>\n");
    out
}

fn format_element(out: &mut String, described: &Described<'_>) {
    let rpm = described.rpm;
    out.push_str("  <format>\n");
    element(out, "    ", "rpm:license", &rpm.license);
    element(out, "    ", "rpm:vendor", &rpm.vendor);
    element(
        out,
        "    ",
        "rpm:group",
        if rpm.group.is_empty() {
            "Unspecified"
        } else {
            &rpm.group
        },
    );
    element(out, "    ", "rpm:buildhost", &rpm.buildhost);
    element(out, "    ", "rpm:sourcerpm", &rpm.source);
    let (start, end) = described.header;
    let _ = writeln!(out, "    <rpm:header-range start=\"{start}\" end=\"{end}\"/>");
    let requires: Vec<_> = rpm
        .all_requires()
        .into_iter()
        .filter(|dependency| !dependency.name.starts_with("rpmlib("))
        .collect();
    entries(out, "provides", &rpm.all_provides());
    entries(out, "requires", &requires);
    entries(out, "conflicts", &rpm.conflicts);
    entries(out, "obsoletes", &rpm.obsoletes);
    entries(out, "suggests", &rpm.suggests);
    entries(out, "enhances", &rpm.enhances);
    entries(out, "recommends", &rpm.recommends);
    entries(out, "supplements", &rpm.supplements);
    files(out, rpm, "    ", is_primary);
    out.push_str(described.vendor_format);
    out.push_str("  </format>\n");
}

fn entries(out: &mut String, name: &str, dependencies: &[Dependency]) {
    if dependencies.is_empty() {
        return;
    }
    let _ = writeln!(out, "    <rpm:{name}>");
    for dependency in dependencies {
        let _ = write!(out, "      <rpm:entry name=\"{}\"", attribute(&dependency.name));
        if let Some((compare, evr)) = &dependency.version {
            let (epoch, rest) = evr.split_once(':').unwrap_or(("0", evr));
            let _ = write!(out, " flags=\"{}\" epoch=\"{epoch}\"", compare.name());
            let _ = match rest.split_once('-') {
                Some((version, release)) => {
                    write!(out, " ver=\"{}\" rel=\"{}\"", attribute(version), attribute(release))
                }
                None => write!(out, " ver=\"{}\"", attribute(rest)),
            };
        }
        out.push_str(if dependency.pre { " pre=\"1\"/>\n" } else { "/>\n" });
    }
    let _ = writeln!(out, "    </rpm:{name}>");
}

/// createrepo_c's rule for the files that primary names too.
fn is_primary(path: &str) -> bool {
    path.starts_with("/etc/") || path.contains("bin/") || path == "/usr/lib/sendmail"
}

fn files(out: &mut String, rpm: &Rpm, indent: &str, wanted: fn(&str) -> bool) {
    for file in rpm.sorted_files().into_iter().filter(|file| wanted(&file.path)) {
        let kind = match file.kind {
            FileKind::Regular(_) => "",
            FileKind::Directory => " type=\"dir\"",
            FileKind::Ghost => " type=\"ghost\"",
        };
        let _ = writeln!(out, "{indent}<file{kind}>{}</file>", escape(&file.path));
    }
}

fn part_head(described: &Described<'_>) -> String {
    let rpm = described.rpm;
    format!(
        "<package pkgid=\"{}\" name=\"{}\" arch=\"{}\">\n  <version epoch=\"{}\" ver=\"{}\" rel=\"{}\"/>\n",
        described.digest,
        attribute(&rpm.name),
        rpm.arch,
        rpm.epoch,
        attribute(&rpm.version),
        attribute(&rpm.release)
    )
}

/// The `<package>` element of filelists, with its line break.
pub(crate) fn filelists(described: &Described<'_>) -> String {
    let mut out = part_head(described);
    files(&mut out, described.rpm, "  ", |_| true);
    out.push_str("</package>\n");
    out
}

/// The `<package>` element of other, with its line break: the ten newest changes, the oldest of them first.
pub(crate) fn other(described: &Described<'_>) -> String {
    let mut out = part_head(described);
    for change in described.rpm.changelog.iter().take(10).rev() {
        let (author, date) = (attribute(&change.author), change.time);
        let _ = writeln!(
            out,
            "  <changelog author=\"{author}\" date=\"{date}\">{}</changelog>",
            escape(&change.text)
        );
    }
    out.push_str("</package>\n");
    out
}

/// A whole document of packages, from pieces of text that describe them.
pub(crate) fn document<T: AsRef<str>>(root: &str, namespaces: &str, packages: usize, pieces: &[T]) -> String {
    let mut out =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} {namespaces} packages=\"{packages}\">\n");
    for piece in pieces {
        out.push_str(piece.as_ref());
    }
    let _ = write!(out, "</{root}>");
    out
}
