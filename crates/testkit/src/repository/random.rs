//! Big repositories from a seed.

use super::Repository;
use crate::rpm::{Compare, Dependency, Rpm};

/// `SplitMix64`: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

const SYLLABLES: [&str; 16] = [
    "ka", "lo", "mi", "ne", "po", "ra", "su", "ti", "vo", "we", "ba", "de", "fi", "go", "hu", "ja",
];

impl Repository {
    /// `count` packages drawn from a seed, installable among themselves, made anew at each request.
    ///
    /// Several versions of a name, dependencies on names that come earlier, some noarch, some epochs. A larger
    /// `count` with the same seed is a superset.
    pub fn random(seed: u64, count: usize) -> Self {
        let mut random = Random(seed);
        let mut repository = Self::new().made_on_the_fly();
        let mut names: Vec<String> = Vec::new();
        while repository.packages.len() < count {
            let name = name(&mut random, names.len());
            let versions = 1 + random.below(3);
            let arch = if random.below(3) == 0 { "noarch" } else { "x86_64" };
            let epoch = u32::from(random.below(20) == 0);
            let needed = (!names.is_empty()).then(|| names[random.below(names.len() as u64) as usize].clone());
            let obsoletes = random.below(10) == 0;
            for minor in 0..versions {
                if repository.packages.len() == count {
                    break;
                }
                let time = 1_600_000_000 + random.below(100_000_000) as u32;
                let mut rpm = Rpm::new(&name, &format!("{versions}.{minor}"), "1.el9", arch)
                    .epoch(epoch)
                    .built(time);
                rpm = rpm.file(&format!("/usr/bin/{name}"), &random.next().to_le_bytes());
                if let Some(needed) = &needed {
                    rpm = rpm.requires(Dependency::any(needed.as_str()));
                }
                if obsoletes {
                    rpm = rpm.obsoletes(Dependency::versioned(format!("{name}-old"), Compare::Less, "1"));
                }
                repository.packages.push(rpm);
            }
            names.push(name);
        }
        repository
    }
}

/// A name that no other number gives.
fn name(random: &mut Random, number: usize) -> String {
    let mut name = String::new();
    for _ in 0..2 + random.below(3) {
        name.push_str(SYLLABLES[random.below(16) as usize]);
    }
    format!("{name}{number}")
}
