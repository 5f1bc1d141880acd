//! What a package of a made repository is, by its number.

use chantal_testkit::rpm::{Change, Compare, Dependency, FileKind, PackedFile, Rpm};

use super::random::Random;

/// How packages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// Bodies hold what the metadata says, about 17 KB each: for comparing with tools that read them.
    Deep,
    /// Metadata as rich as that of a distribution (about 10 KB open), bodies of a KB: for size and growth.
    Wide,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deep => "deep",
            Self::Wide => "wide",
        }
    }
}

/// A package as metadata describe it, and as its file is.
pub(super) struct Made {
    pub(super) described: Rpm,
    /// Nothing: the file is the described package itself.
    pub(super) body: Option<Rpm>,
}

/// Packages of one source.
const SLOTS: usize = 3;
const BUILT: u32 = 1_600_000_000;
/// One package in so many is another one in the second state.
pub(crate) const CHANGED_OF: usize = 100;
const CHANGED_PLACE: usize = 37;

/// Whether a package is another one in the second state.
pub(super) fn changes(number: usize) -> bool {
    number % CHANGED_OF == CHANGED_PLACE
}

/// Regular expression for the names of half of the packages.
pub(crate) const HALF: &str = "^[a-l]";

/// Whether a package is in that half.
pub(crate) fn is_half(name: &str) -> bool {
    name.starts_with(|first: char| first <= 'l')
}

const FIRST: [[&str; 8]; 2] = [
    ["ba", "co", "di", "fe", "gu", "he", "ja", "li"],
    ["ma", "no", "pi", "re", "su", "ti", "vo", "we"],
];
const NEXT: [&str; 12] = [
    "ka", "lo", "mi", "ne", "po", "ra", "sun", "tir", "vox", "dat", "lib", "kit",
];

/// The name of a source; no other source has it.
fn source_name(seed: u64, source: usize) -> String {
    let mut random = Random::of(seed, "name", source);
    let mut name = FIRST[source % 2][random.below(8)].to_owned();
    for _ in 0..=random.below(3) {
        name.push_str(NEXT[random.below(NEXT.len())]);
    }
    format!("{name}{source}")
}

/// Package `number` in the first state, or in the second.
pub(super) fn package(shape: Shape, seed: u64, number: usize, second: bool) -> Made {
    let (source, slot) = (number / SLOTS, number % SLOTS);
    let base = source_name(seed, source);
    let of_source = &mut Random::of(seed, "source", source);
    let (major, minor) = (of_source.below(9) + 1, of_source.below(20));
    let noarch = of_source.below(3) == 0;
    // Two sources of five have several versions, the others several packages.
    let (name, minor) = match (source % 5 < 2, slot) {
        (true, slot) => (base.clone(), minor + slot),
        (false, 0) => (base.clone(), minor),
        (false, 1) => (format!("{base}-libs"), minor),
        (false, _) => (format!("{base}-devel"), minor),
    };
    let release = if second && changes(number) { "2.el9" } else { "1.el9" };
    let arch = if noarch { "noarch" } else { "x86_64" };
    let mut rpm = Rpm::new(&name, &format!("{major}.{minor}"), release, arch);
    rpm.build_time = BUILT + (source % 100_000) as u32 * 500 + number as u32 % 500;
    if second && changes(number) {
        rpm.build_time += 86_400;
    }
    rpm.epoch = u32::from(of_source.below(25) == 0);
    let body = (shape == Shape::Wide).then(|| rpm.clone());
    let random = &mut Random::of(seed, "package", number);
    let described = match shape {
        Shape::Deep => describe(rpm, seed, source, random, &DEEP),
        Shape::Wide => describe(rpm, seed, source, random, &WIDE),
    };
    Made { described, body }
}

/// How much there is of what, each as values and weights.
struct Amounts {
    files: &'static [(usize, usize)],
    changes: &'static [(usize, usize)],
    provides: &'static [(usize, usize)],
    requires: &'static [(usize, usize)],
    sentences: usize,
    words: usize,
    /// Median of the sum of the files' sizes; nothing: they are empty.
    content: Option<f64>,
}

const DEEP: Amounts = Amounts {
    files: &[(1, 30), (3, 30), (10, 25), (40, 12), (400, 3)],
    changes: &[(1, 40), (3, 40), (10, 20)],
    provides: &[(0, 70), (1, 30)],
    requires: &[(0, 20), (1, 25), (2, 25), (4, 20), (8, 10)],
    sentences: 3,
    words: 10,
    content: Some(9_000.0),
};

const WIDE: Amounts = Amounts {
    files: &[(5, 20), (20, 35), (60, 25), (150, 15), (600, 5)],
    changes: &[(3, 20), (10, 80)],
    provides: &[(1, 50), (4, 35), (12, 15)],
    requires: &[(3, 30), (10, 40), (20, 20), (40, 10)],
    sentences: 6,
    words: 25,
    content: None,
};

fn describe(mut rpm: Rpm, seed: u64, source: usize, random: &mut Random, amounts: &Amounts) -> Rpm {
    rpm.summary = random.sentence(6);
    rpm.description = (0..amounts.sentences).map(|_| random.sentence(12) + ".\n").collect();
    for place in 0..random.pick(amounts.provides) {
        let evr = rpm.evr();
        rpm = rpm.provides(Dependency::versioned(
            format!("bundled({}-{place})", random.word()),
            Compare::Equal,
            evr,
        ));
    }
    // Only names that come earlier, so that everything can be installed; the earlier the more often.
    let mut needed: Vec<usize> = (0..random.pick(amounts.requires))
        .filter(|_| source > 0)
        .map(|_| random.below(source).min(random.below(source)))
        .collect();
    needed.sort_unstable();
    needed.dedup();
    for source in needed {
        rpm = rpm.requires(Dependency::any(source_name(seed, source)));
    }
    if random.below(20) == 0 {
        let name = format!("{}-compat", rpm.name);
        let before = rpm.version.clone();
        rpm = rpm.obsoletes(Dependency::versioned(name, Compare::Less, before));
    }
    rpm.files = files(&rpm, random, amounts);
    rpm.changelog = changelog(&rpm, random, amounts);
    rpm
}

fn files(rpm: &Rpm, random: &mut Random, amounts: &Amounts) -> Vec<PackedFile> {
    let count = random.pick(amounts.files);
    let each = amounts
        .content
        .map_or(0, |median| random.size(median, 2_000_000) / count);
    let mut directory = String::new();
    let mut file = |place: usize| {
        if place.is_multiple_of(8) {
            directory = format!("/usr/share/{}/{}/{}", rpm.name, random.word(), random.word());
        }
        let path = match place {
            0 => format!("/usr/bin/{}-{}", rpm.name, rpm.version),
            1 => format!("/etc/{}/{}.conf", rpm.name, rpm.version),
            _ => format!("{directory}/{}-{place:03}.dat", random.word()),
        };
        PackedFile {
            mode: if place == 0 { 0o755 } else { 0o644 },
            path,
            kind: FileKind::Regular(random.body(each)),
        }
    };
    (0..count).map(&mut file).collect()
}

fn changelog(rpm: &Rpm, random: &mut Random, amounts: &Amounts) -> Vec<Change> {
    let count = random.pick(amounts.changes);
    let mut time = rpm.build_time - rpm.build_time % 86_400 + 43_200;
    let mut change = || {
        time -= 86_400 * (1 + random.below(60) as u32);
        let words = amounts.words / 2 + random.below(amounts.words);
        Change {
            time,
            author: format!("Bench Maker <bench@example.invalid> - {}-{}", rpm.version, rpm.release),
            text: format!("- {}", random.sentence(words)),
        }
    };
    (0..count).map(|_| change()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn equal_numbers_give_equal_packages() {
        for shape in [Shape::Deep, Shape::Wide] {
            let made = || package(shape, 7, 1234, false).described.build().bytes;
            assert_eq!(made(), made(), "{shape:?}");
        }
    }

    #[test]
    fn names_are_distinct_and_half_of_them_match() {
        let files: Vec<_> = (0..6000)
            .map(|number| package(Shape::Wide, 7, number, false).described)
            .collect();
        let distinct: BTreeSet<_> = files.iter().map(Rpm::file_name).collect();
        assert_eq!(distinct.len(), files.len());
        assert_eq!(files.iter().filter(|rpm| is_half(&rpm.name)).count(), 3000);
    }

    #[test]
    fn the_second_state_differs_in_one_of_a_hundred() {
        let differing = (0..1000).filter(|number| {
            let name = |second| package(Shape::Wide, 7, *number, second).described.file_name();
            name(false) != name(true)
        });
        assert_eq!(differing.count(), 10);
    }
}
