//! Small valid RPM packages, made in memory without rpmbuild.
//!
//! `rpm -K --nosignature` accepts them and dnf installs them. Equal descriptions give equal bytes.

mod header;
mod payload;
mod write;

pub use write::RpmFile;

/// How a dependency compares versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Older than.
    Less,
    /// At most.
    LessOrEqual,
    /// Exactly.
    Equal,
    /// At least.
    GreaterOrEqual,
    /// Newer than.
    Greater,
}

impl Compare {
    fn sense(self) -> u32 {
        match self {
            Self::Less => 2,
            Self::LessOrEqual => 2 | 8,
            Self::Equal => 8,
            Self::GreaterOrEqual => 4 | 8,
            Self::Greater => 4,
        }
    }

    /// As metadata writes it (`EQ`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Less => "LT",
            Self::LessOrEqual => "LE",
            Self::Equal => "EQ",
            Self::GreaterOrEqual => "GE",
            Self::Greater => "GT",
        }
    }
}

/// What a package provides, requires, conflicts with or obsoletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// A name, a capability, a path, or a rich dependency in parentheses.
    pub name: String,
    /// Comparison and version (`epoch:version-release`, epoch and release optional).
    pub version: Option<(Compare, String)>,
    /// Needed before the package's own scripts run.
    pub pre: bool,
}

impl Dependency {
    /// Any version of `name`.
    pub fn any(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: None,
            pre: false,
        }
    }

    /// A version of `name` in a range.
    pub fn versioned(name: impl Into<String>, compare: Compare, evr: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: Some((compare, evr.into())),
            pre: false,
        }
    }

    /// The same, needed before the package's scripts run.
    #[must_use]
    pub fn before_scripts(mut self) -> Self {
        self.pre = true;
        self
    }

    fn sense(&self) -> u32 {
        let compare = self.version.as_ref().map_or(0, |(compare, _)| compare.sense());
        compare | if self.pre { SCRIPT_PRE } else { 0 } | if self.name.starts_with("rpmlib(") { RPMLIB } else { 0 }
    }
}

const SCRIPT_PRE: u32 = 1 << 9;
const RPMLIB: u32 = 1 << 24;

/// What a path of a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file with this content.
    Regular(Vec<u8>),
    /// A directory.
    Directory,
    /// Belongs to the package without being in it.
    Ghost,
}

/// A path of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFile {
    /// Absolute; in source packages a bare file name.
    pub path: String,
    /// Permission bits.
    pub mode: u16,
    /// What it is.
    pub kind: FileKind,
}

/// An entry of a changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Seconds since 1970.
    pub time: u32,
    /// Name, mail address and version.
    pub author: String,
    /// What was done.
    pub text: String,
}

/// How a payload is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// As up to RHEL 8.
    Gzip,
    /// As from RHEL 9 on.
    Zstd,
}

/// Everything that a package says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named as the tags of RPM")]
pub struct Rpm {
    pub name: String,
    pub epoch: u32,
    pub version: String,
    pub release: String,
    pub arch: String,
    pub summary: String,
    pub description: String,
    pub license: String,
    pub vendor: String,
    pub group: String,
    pub packager: String,
    pub url: String,
    pub buildhost: String,
    pub build_time: u32,
    pub provides: Vec<Dependency>,
    pub requires: Vec<Dependency>,
    pub conflicts: Vec<Dependency>,
    pub obsoletes: Vec<Dependency>,
    pub recommends: Vec<Dependency>,
    pub suggests: Vec<Dependency>,
    pub supplements: Vec<Dependency>,
    pub enhances: Vec<Dependency>,
    pub files: Vec<PackedFile>,
    /// Newest first, as in a package.
    pub changelog: Vec<Change>,
    /// `name:stream:version:context` of the module that the package belongs to.
    pub module: Option<String>,
    /// File name of the source package; nothing in source packages.
    pub source: String,
    pub payload: Payload,
}

impl Rpm {
    /// A package with one file, its own provides, a changelog and all texts filled in.
    ///
    /// `arch` is an architecture, `noarch` or `src`.
    pub fn new(name: &str, version: &str, release: &str, arch: &str) -> Self {
        let mut rpm = Self {
            name: name.into(),
            epoch: 0,
            version: version.into(),
            release: release.into(),
            arch: arch.into(),
            summary: format!("The package {name}"),
            description: format!("{name} is made for tests.\nIt does <nothing> & is small."),
            license: "MIT".into(),
            vendor: "Chantal Tests".into(),
            group: "Unspecified".into(),
            packager: String::new(),
            url: format!("https://example.invalid/{name}"),
            buildhost: "build.example.invalid".into(),
            build_time: 1_700_000_000,
            provides: Vec::new(),
            requires: Vec::new(),
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
            recommends: Vec::new(),
            suggests: Vec::new(),
            supplements: Vec::new(),
            enhances: Vec::new(),
            files: Vec::new(),
            changelog: vec![Change {
                time: 1_699_999_200,
                author: format!("Test Maker <maker@example.invalid> - {version}-{release}"),
                text: format!("- {name} {version}"),
            }],
            module: None,
            source: format!("{name}-{version}-{release}.src.rpm"),
            payload: Payload::Gzip,
        };
        if rpm.is_source() {
            rpm.source = String::new();
            rpm.files.push(PackedFile {
                path: format!("{name}.spec"),
                mode: 0o644,
                kind: FileKind::Regular(format!("Name: {name}\n").into_bytes()),
            });
            rpm
        } else {
            let content = format!("{name} {version}-{release}\n");
            rpm.file(&format!("/usr/share/{name}/version"), content.as_bytes())
        }
    }

    /// Whether it is a source package.
    pub fn is_source(&self) -> bool {
        self.arch == "src"
    }

    /// Sets the epoch.
    #[must_use]
    pub fn epoch(mut self, epoch: u32) -> Self {
        self.epoch = epoch;
        self
    }

    /// Sets the build time, in seconds since 1970.
    #[must_use]
    pub fn built(mut self, time: u32) -> Self {
        self.build_time = time;
        self
    }

    /// Sets the licence.
    #[must_use]
    pub fn license(mut self, license: &str) -> Self {
        self.license = license.into();
        self
    }

    /// Sets vendor; empty leaves it out.
    #[must_use]
    pub fn vendor(mut self, vendor: &str) -> Self {
        self.vendor = vendor.into();
        self
    }

    /// Sets the group; empty leaves it out.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = group.into();
        self
    }

    /// Sets the payload's compression.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// Says which module the package belongs to: `name:stream:version:context`.
    #[must_use]
    pub fn module(mut self, label: &str) -> Self {
        self.module = Some(label.into());
        self
    }

    /// Adds a provided capability; the package's own name is provided anyway.
    #[must_use]
    pub fn provides(mut self, dependency: Dependency) -> Self {
        self.provides.push(dependency);
        self
    }

    /// Adds a requirement.
    #[must_use]
    pub fn requires(mut self, dependency: Dependency) -> Self {
        self.requires.push(dependency);
        self
    }

    /// Adds a conflict.
    #[must_use]
    pub fn conflicts(mut self, dependency: Dependency) -> Self {
        self.conflicts.push(dependency);
        self
    }

    /// Adds what the package replaces.
    #[must_use]
    pub fn obsoletes(mut self, dependency: Dependency) -> Self {
        self.obsoletes.push(dependency);
        self
    }

    /// Adds a weak requirement.
    #[must_use]
    pub fn recommends(mut self, dependency: Dependency) -> Self {
        self.recommends.push(dependency);
        self
    }

    /// Adds a regular file; one whose path contains `bin/` is executable.
    #[must_use]
    pub fn file(mut self, path: &str, content: &[u8]) -> Self {
        let mode = if path.contains("bin/") { 0o755 } else { 0o644 };
        self.files.push(PackedFile {
            path: path.into(),
            mode,
            kind: FileKind::Regular(content.to_vec()),
        });
        self
    }

    /// Adds a directory.
    #[must_use]
    pub fn directory(mut self, path: &str) -> Self {
        self.files.push(PackedFile {
            path: path.into(),
            mode: 0o755,
            kind: FileKind::Directory,
        });
        self
    }

    /// Adds a ghost file.
    #[must_use]
    pub fn ghost(mut self, path: &str) -> Self {
        self.files.push(PackedFile {
            path: path.into(),
            mode: 0o644,
            kind: FileKind::Ghost,
        });
        self
    }

    /// Adds an entry on top of the changelog.
    #[must_use]
    pub fn change(mut self, time: u32, author: &str, text: &str) -> Self {
        self.changelog.insert(
            0,
            Change {
                time,
                author: author.into(),
                text: text.into(),
            },
        );
        self
    }

    /// `epoch:version-release`, the epoch only where it is not 0.
    pub fn evr(&self) -> String {
        let epoch = if self.epoch == 0 {
            String::new()
        } else {
            format!("{}:", self.epoch)
        };
        format!("{epoch}{}-{}", self.version, self.release)
    }

    /// `name-version-release.arch`, as files are named.
    pub fn nvra(&self) -> String {
        format!("{}-{}-{}.{}", self.name, self.version, self.release, self.arch)
    }

    /// `name-epoch:version-release.arch`, always with an epoch, as modules name artifacts.
    pub fn nevra(&self) -> String {
        format!(
            "{}-{}:{}-{}.{}",
            self.name, self.epoch, self.version, self.release, self.arch
        )
    }

    /// The usual name of its file.
    pub fn file_name(&self) -> String {
        format!("{}.rpm", self.nvra())
    }

    /// What it provides, its own name included, in the order of the package.
    pub fn all_provides(&self) -> Vec<Dependency> {
        let mut all = self.provides.clone();
        if !self.is_source() {
            all.push(Dependency::versioned(&self.name, Compare::Equal, self.evr()));
            if self.arch == "x86_64" {
                all.push(Dependency::versioned(
                    format!("{}(x86-64)", self.name),
                    Compare::Equal,
                    self.evr(),
                ));
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// What it requires, those of the package format itself included, in the order of the package.
    pub fn all_requires(&self) -> Vec<Dependency> {
        let mut all = self.requires.clone();
        let mut rpmlib = |feature: &str, version: &str| {
            all.push(Dependency::versioned(
                format!("rpmlib({feature})"),
                Compare::LessOrEqual,
                version,
            ));
        };
        rpmlib("CompressedFileNames", "3.0.4-1");
        if !self.is_source() {
            rpmlib("PayloadFilesHavePrefix", "4.0-1");
        }
        if self.payload == Payload::Zstd {
            rpmlib("PayloadIsZstd", "5.4.18-1");
        }
        if self.requires.iter().any(|dependency| dependency.name.starts_with('(')) {
            rpmlib("RichDependencies", "4.12.0-1");
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Its files in the order of the package.
    pub fn sorted_files(&self) -> Vec<&PackedFile> {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// Makes the package.
    pub fn build(&self) -> RpmFile {
        write::write(self)
    }
}
