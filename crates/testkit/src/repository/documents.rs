//! Metadata beside the packages: advisories, groups, modules, delta packages.

use std::fmt::Write as _;

use super::xml::escape;
use crate::rpm::Rpm;

/// An entry of updateinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// Such as `TEST-2024:0001`.
    pub id: String,
    /// `security`, `bugfix`, `enhancement` or `newpackage`.
    pub kind: String,
    /// `Critical` … `Low`, or `None`.
    pub severity: String,
    /// One line.
    pub title: String,
    /// When it was issued, `YYYY-MM-DD hh:mm:ss`.
    pub issued: String,
    /// CVE numbers.
    pub cves: Vec<String>,
    /// Packages that fix it.
    pub fixes: Vec<Fix>,
}

/// A package that an advisory names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named as the attributes of updateinfo")]
pub struct Fix {
    pub name: String,
    pub epoch: u32,
    pub version: String,
    pub release: String,
    pub arch: String,
    pub source: String,
}

impl From<&Rpm> for Fix {
    fn from(rpm: &Rpm) -> Self {
        Self {
            name: rpm.name.clone(),
            epoch: rpm.epoch,
            version: rpm.version.clone(),
            release: rpm.release.clone(),
            arch: rpm.arch.clone(),
            source: rpm.source.clone(),
        }
    }
}

impl Advisory {
    /// An advisory about these packages, each with the given severity.
    pub fn new<'a>(id: &str, kind: &str, severity: &str, fixes: impl IntoIterator<Item = &'a Rpm>) -> Self {
        Self {
            id: id.into(),
            kind: kind.into(),
            severity: severity.into(),
            title: format!("{kind} update {id}"),
            issued: "2024-01-02 03:04:05".into(),
            cves: Vec::new(),
            fixes: fixes.into_iter().map(Fix::from).collect(),
        }
    }

    /// Adds a CVE number.
    #[must_use]
    pub fn cve(mut self, number: &str) -> Self {
        self.cves.push(number.into());
        self
    }
}

/// A group of comps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Kind (`mandatory`, `default`, `optional`) and name of each package.
    pub packages: Vec<(String, String)>,
}

impl Group {
    /// A group whose packages are all mandatory.
    pub fn new(id: &str, packages: &[&str]) -> Self {
        let packages = packages.iter().map(|name| ("mandatory".to_owned(), (*name).to_owned()));
        Self {
            id: id.into(),
            name: format!("Group {id}"),
            packages: packages.collect(),
        }
    }
}

/// A version of a module's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its stream.
    pub stream: String,
    /// Its version.
    pub version: u64,
    /// Its context, eight characters.
    pub context: String,
    /// Its architecture.
    pub arch: String,
    /// `name-epoch:version-release.arch` of each package.
    pub artifacts: Vec<String>,
    /// Whether the stream is the module's default.
    pub default: bool,
}

impl Module {
    /// A module that consists of these packages.
    pub fn new<'a>(name: &str, stream: &str, version: u64, artifacts: impl IntoIterator<Item = &'a Rpm>) -> Self {
        Self {
            name: name.into(),
            stream: stream.into(),
            version,
            context: "c0ffee42".into(),
            arch: "x86_64".into(),
            artifacts: artifacts.into_iter().map(Rpm::nevra).collect(),
            default: false,
        }
    }

    /// Makes the stream the default.
    #[must_use]
    pub fn by_default(mut self) -> Self {
        self.default = true;
        self
    }

    /// What its packages carry in their headers.
    pub fn label(&self) -> String {
        format!("{}:{}:{}:{}", self.name, self.stream, self.version, self.context)
    }
}

pub(super) fn updateinfo(advisories: &[Advisory]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<updates>\n");
    for advisory in advisories {
        let _ = write!(
            out,
            "  <update from=\"security@example.invalid\" status=\"final\" type=\"{}\" version=\"1\">\n    <id>{}</id>\n    \
             <title>{}</title>\n    <issued date=\"{3}\"/>\n    <updated date=\"{3}\"/>\n    <rights>Public domain</rights>\n    \
             <severity>{4}</severity>\n    <summary>{2}</summary>\n    <description>{2}</description>\n    <references>\n",
            advisory.kind,
            advisory.id,
            escape(&advisory.title),
            advisory.issued,
            advisory.severity
        );
        for cve in &advisory.cves {
            let _ = writeln!(
                out,
                "      <reference href=\"https://example.invalid/{cve}\" id=\"{cve}\" type=\"cve\" title=\"{cve}\"/>"
            );
        }
        out.push_str(
            "    </references>\n    <pkglist>\n      <collection short=\"test\">\n        <name>Test</name>\n",
        );
        advisory.fixes.iter().for_each(|fix| package(&mut out, fix));
        out.push_str("      </collection>\n    </pkglist>\n  </update>\n");
    }
    out.push_str("</updates>\n");
    out
}

fn package(out: &mut String, fix: &Fix) {
    let Fix {
        name,
        epoch,
        version,
        release,
        arch,
        source,
    } = fix;
    let _ = writeln!(
        out,
        "        <package name=\"{name}\" version=\"{version}\" release=\"{release}\" epoch=\"{epoch}\" arch=\"{arch}\" \
         src=\"{source}\">\n          <filename>{name}-{version}-{release}.{arch}.rpm</filename>\n        </package>"
    );
}

pub(super) fn comps(groups: &[Group]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<comps>\n");
    for group in groups {
        let _ = writeln!(
            out,
            "  <group>\n    <id>{}</id>\n    <name>{1}</name>\n    <name xml:lang=\"de\">{1} (de)</name>\n    \
             <description>{1}</description>\n    <default>true</default>\n    <uservisible>true</uservisible>\n    <packagelist>",
            group.id,
            escape(&group.name)
        );
        for (kind, name) in &group.packages {
            let _ = writeln!(out, "      <packagereq type=\"{kind}\">{name}</packagereq>");
        }
        out.push_str("    </packagelist>\n  </group>\n");
    }
    let ids = groups.iter().fold(String::new(), |ids, group| {
        ids + &format!("<groupid>{}</groupid>", group.id)
    });
    let _ = writeln!(
        out,
        "  <environment>\n    <id>test-environment</id>\n    <name>Test environment</name>\n    \
         <description>All groups</description>\n    <display_order>1</display_order>\n    <grouplist>{ids}</grouplist>\n    \
         <optionlist/>\n  </environment>\n</comps>"
    );
    out
}

pub(super) fn modules(modules: &[Module]) -> String {
    let mut out = String::new();
    for module in modules {
        let Module {
            name,
            stream,
            version,
            context,
            arch,
            ..
        } = module;
        let _ = write!(
            out,
            "---\ndocument: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: \"{stream}\"\n  version: {version}\n  \
             context: {context}\n  arch: {arch}\n  summary: The module {name}\n  description: >-\n    Made for tests.\n  \
             license:\n    module:\n    - MIT\n  profiles:\n    common:\n      rpms:\n      - {name}\n  artifacts:\n    rpms:\n"
        );
        module.artifacts.iter().for_each(|artifact| {
            let _ = writeln!(out, "    - {artifact}");
        });
        out.push_str("...\n");
    }
    for module in modules.iter().filter(|module| module.default) {
        let Module { name, stream, .. } = module;
        let _ = write!(
            out,
            "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: {name}\n  stream: \"{stream}\"\n  profiles:\n    \
             \"{stream}\": [common]\n...\n"
        );
    }
    out
}

/// A delta package: from which version of a package it leads where, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Path in the tree, such as `drpms/x.drpm`.
    pub path: String,
    /// The package it makes.
    pub to: Fix,
    /// Epoch, version and release it starts from.
    pub from: (u32, String, String),
    /// Its bytes; clients of tests never apply it.
    pub bytes: Vec<u8>,
}

pub(super) fn prestodelta(deltas: &[Delta]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<prestodelta>\n");
    for delta in deltas {
        let Fix {
            name,
            epoch,
            version,
            release,
            arch,
            ..
        } = &delta.to;
        let (old_epoch, old_version, old_release) = &delta.from;
        let _ = write!(
            out,
            "  <newpackage name=\"{name}\" epoch=\"{epoch}\" version=\"{version}\" release=\"{release}\" arch=\"{arch}\">\n    \
             <delta oldepoch=\"{old_epoch}\" oldversion=\"{old_version}\" oldrelease=\"{old_release}\">\n      \
             <filename>{}</filename>\n      <sequence>{name}-{old_version}-{old_release}-00</sequence>\n      \
             <size>{}</size>\n      <checksum type=\"sha256\">{}</checksum>\n    </delta>\n  </newpackage>\n",
            delta.path,
            delta.bytes.len(),
            chantal_model::Sha256::of(&delta.bytes)
        );
    }
    out.push_str("</prestodelta>\n");
    out
}
