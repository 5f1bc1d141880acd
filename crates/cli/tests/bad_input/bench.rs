//! A repository that is served in a good state while its upstream turns bad.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use chantal_testkit::chantal::{Chantal, Output, finish};
use chantal_testkit::corpus::names::acts;
use chantal_testkit::corpus::{Expect, Feed, Row, Variant};
use chantal_testkit::tls::Authority;
use chantal_testkit::tree::digests;
use chantal_testkit::upstream::{Site, Upstream};
use regex::Regex;

/// Variants of each row, unless `CHANTAL_VARIANTS` says another number.
const VARIANTS: u64 = 20;
/// What a run may allocate: it aborts beyond, which no row expects.
const MEMORY_BYTES: u64 = 512 << 20;
/// When a run counts as hung.
const SECONDS: &str = "60";

pub(crate) struct Bench {
    pub(crate) chantal: Chantal,
    pub(crate) upstream: Upstream,
    served: BTreeMap<String, String>,
    /// Keys of the repository in every run.
    keys: Vec<String>,
}

/// How many variants of a row are tried.
pub(crate) fn variants() -> u64 {
    let wanted = std::env::var("CHANTAL_VARIANTS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(VARIANTS)
}

/// A run whose memory and time are bounded.
pub(crate) fn bounded(command: &Command) -> Command {
    let mut bounded = Command::new("timeout");
    bounded
        .args(["--signal=KILL", SECONDS, "prlimit", "--core=0"])
        .arg(format!("--data={MEMORY_BYTES}"))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(std::process::Stdio::null());
    if let Some(directory) = command.get_current_dir() {
        bounded.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        bounded.env(name, value.unwrap_or_default());
    }
    bounded
}

impl Bench {
    /// The good state is synced and published.
    pub(crate) fn new() -> Self {
        Self::with_site(Feed::good().build().site())
    }

    pub(crate) fn with_site(site: Site) -> Self {
        Self::with(Upstream::start(site), Vec::new(), |_| ())
    }

    /// The same behind TLS, with an authority that it trusts.
    pub(crate) fn secure(authority: &Authority) -> Self {
        let tls = Authority::tls(&authority.server(), None);
        let upstream = Upstream::start_tls(Feed::good().build().site(), tls);
        let keys = vec!["ssl: {ca_bundle: ca.pem}".to_owned()];
        Self::with(upstream, keys, |chantal| {
            std::fs::write(chantal.path().join("ca.pem"), &authority.pem).unwrap();
        })
    }

    fn with(upstream: Upstream, keys: Vec<String>, prepare: impl FnOnce(&Chantal)) -> Self {
        let bench = Self {
            chantal: Chantal::new(env!("CARGO_BIN_EXE_chantal")),
            upstream,
            served: BTreeMap::new(),
            keys,
        };
        prepare(&bench.chantal);
        bench.configure(&[]);
        bench.chantal.run(&["init"]).ok();
        bench.chantal.run(&["repo", "sync", "r", "--publish"]).ok();
        let served = bench.tree();
        Self { served, ..bench }
    }

    pub(crate) fn configure(&self, keys: &[String]) {
        let mut all: Vec<&str> = self.keys.iter().chain(keys).map(String::as_str).collect();
        if !all.iter().any(|key| key.starts_with("download:")) {
            all.push("download: {retry_attempts: 0}");
        }
        self.chantal.repository("r", &self.upstream.url("/"), &all);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        finish(&mut bounded(&self.chantal.command(arguments)))
    }

    /// Syncs and publishes from another feed.
    pub(crate) fn run_at(&self, feed: &str) -> Output {
        let mut keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        keys.push("download: {retry_attempts: 0}");
        self.chantal.repository("r", feed, &keys);
        self.run(&["repo", "sync", "r", "--publish"])
    }

    /// Everything below the published root, by path.
    pub(crate) fn tree(&self) -> BTreeMap<String, String> {
        digests(&self.chantal.published()).unwrap()
    }

    /// Serves a variant, syncs and publishes, and judges what came of it.
    pub(crate) fn judge(&mut self, variant: &Variant) -> Result<(), String> {
        self.upstream.change(|site| *site = variant.site.clone());
        self.configure(&variant.keys);
        let ran = self.run(&["repo", "sync", "r", "--publish"]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let wrong = |what: &str| Err(format!("{what}\nexit {}\n{said}", ran.code));
        if said.contains("panicked") {
            return wrong("it panicked");
        }
        if let Some(c) = said.chars().find(|c| acts(*c)) {
            return wrong(&format!("{c:?} in what it says"));
        }
        let (codes, text): (&[i32], &str) = match variant.expect {
            Expect::Refused(codes, text) => (codes, text),
            Expect::LeftOut(text) => (&[9], text),
            Expect::Taken => (&[0], ""),
            Expect::Warned(text) => (&[0], text),
        };
        if !codes.contains(&ran.code) {
            return wrong(&format!("expected exit {codes:?}"));
        }
        if !Regex::new(text).unwrap().is_match(&said) {
            return wrong(&format!("expected a text like {text:?}"));
        }
        let now = self.tree();
        if matches!(variant.expect, Expect::Refused(..)) {
            let same = now == self.served;
            return if same { Ok(()) } else { wrong("what is served changed") };
        }
        self.served = now;
        if let Some(path) = self.served.keys().find(|path| !path.starts_with("r/")) {
            return wrong(&format!("{path} was published"));
        }
        whole(&self.chantal.published().join("r/latest")).or_else(|reason| wrong(&reason))
    }
}

/// Whether every file that published metadata name is there, and is what they say.
pub(crate) fn whole(tree: &Path) -> Result<(), String> {
    let files = digests(tree).map_err(|error| error.to_string())?;
    let entry = read(&tree.join("repodata/repomd.xml"))?;
    let mut count = 0;
    for (href, digest) in named(&entry, "<data ", "sha256") {
        has(&files, &href, &digest)?;
        let bytes = std::fs::read(tree.join(&href)).map_err(|error| error.to_string())?;
        if !href.contains("primary.xml") {
            continue;
        }
        let open = chantal_testkit::compress::decompress(&bytes);
        for (href, digest) in named(&String::from_utf8_lossy(&open), "<package ", "pkgid=\"YES\"") {
            has(&files, &href, &digest)?;
            count += 1;
        }
    }
    if count == 0 {
        return Err("no package is served".to_owned());
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn has(files: &BTreeMap<String, String>, href: &str, digest: &str) -> Result<(), String> {
    match files.get(href) {
        Some(found) if digest.len() != 64 || found == digest => Ok(()),
        Some(found) => Err(format!("{href} is {found}, not {digest}")),
        None => Err(format!("{href} is not there")),
    }
}

/// Location and checksum of each element.
fn named(text: &str, element: &str, checksum: &str) -> Vec<(String, String)> {
    let unescape = |text: &str| text.replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&");
    let between = |text: &str, start: &str, end: &str| {
        let (_, rest) = text.split_once(start)?;
        Some(unescape(rest.split_once(end)?.0))
    };
    text.split(element)
        .skip(1)
        .map(|element| {
            let digest = element.split("<checksum ").find(|part| part.contains(checksum));
            (
                between(element, "<location href=\"", "\"").unwrap_or_default(),
                digest.and_then(|part| between(part, ">", "<")).unwrap_or_default(),
            )
        })
        .collect()
}

/// Keeps what a variant served, for looking at it.
fn keep(id: &str, seed: u64, variant: &Variant) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("bad-input")
        .join(format!("{id}-{seed}"));
    for (path, bytes) in variant.site.files() {
        let safe = path.trim_start_matches('/').replace("..", "__");
        let file = directory.join(if safe.len() > 200 { "long-name" } else { &safe });
        let _ = file.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(file, bytes);
    }
    directory
}

/// Judges one variant; what is wrong with it, if anything.
fn try_one(bench: &mut Bench, row: &Row, seed: u64) -> Option<String> {
    try_variant(bench, row.id, seed, &row.variant(seed))
}

/// The same for a variant that is not of a row, because it needs more than a server.
pub(crate) fn try_variant(bench: &mut Bench, id: &str, seed: u64, variant: &Variant) -> Option<String> {
    let reason = bench.judge(variant).err()?;
    let kept = keep(id, seed, variant).display().to_string();
    let keys = variant.keys.join(", ");
    Some(format!(
        "{id} seed {seed}: {} ({keys})\n{reason}\ninput: {kept}",
        variant.what
    ))
}

/// Tries every variant of a row on one bench.
pub(crate) fn try_all(row: Row) {
    let mut bench = Bench::new();
    let mut wrong = Vec::new();
    for seed in 0..variants() {
        if let Some(reason) = try_one(&mut bench, &row, seed) {
            wrong.push(reason);
            bench = Bench::new();
        }
    }
    none_is(&wrong);
}

/// Tries every variant of a row at the same time, on a few benches.
pub(crate) fn try_apart(row: Row) {
    const BENCHES: u64 = 5;
    let work = |first: u64| {
        let mut bench = Bench::new();
        let seeds = (first..variants()).step_by(BENCHES as usize);
        seeds.filter_map(|seed| try_one(&mut bench, &row, seed)).collect()
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..BENCHES).map(|first| scope.spawn(move || work(first))).collect();
        let found: Vec<Vec<String>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        found.concat()
    });
    none_is(&wrong);
}

#[track_caller]
pub(crate) fn none_is(wrong: &[String]) {
    let first = wrong.iter().take(4).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "{} variants are wrong:\n\n{first}", wrong.len());
}
