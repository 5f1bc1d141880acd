//! Bad input, made from a seed: what upstreams, disks and people get wrong.
//!
//! One [`Row`] is one way to be wrong, each of its variants another instance of it. Equal seeds give equal input, so
//! that the seed is all that a failing test has to say.

pub mod archives;
pub mod documents;
pub mod draw;
pub mod feed;
pub mod http;
pub mod locations;
pub mod metadata;
pub mod modules;
pub mod mutate;
pub mod names;
pub mod packages;
pub mod settings;
pub mod times;
pub mod trees;

pub use draw::Draw;
pub use feed::Feed;

use crate::upstream::Site;

/// What must come of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Exit with one of these codes and a text that matches the pattern; nothing that is served changes.
    Refused(&'static [i32], &'static str),
    /// Exit 9 and a text that matches the pattern; the rest is served.
    LeftOut(&'static str),
    /// Exit 0; what is served is whole.
    Taken,
    /// The same, and a text that matches the pattern.
    Warned(&'static str),
}

/// One input: what upstream serves, and how it is asked.
pub struct Variant {
    /// What is wrong with it, in words.
    pub what: String,
    /// What upstream serves.
    pub site: Site,
    /// More keys of the repository, each `key: value`.
    pub keys: Vec<String>,
    /// What must come of it.
    pub expect: Expect,
}

impl Variant {
    /// A feed that must be refused.
    pub fn refused(what: impl Into<String>, site: Site, codes: &'static [i32], text: &'static str) -> Self {
        Self::new(what, site, Expect::Refused(codes, text))
    }

    /// A feed that must be taken.
    pub fn taken(what: impl Into<String>, site: Site) -> Self {
        Self::new(what, site, Expect::Taken)
    }

    /// A feed of which something is left out.
    pub fn left_out(what: impl Into<String>, site: Site, text: &'static str) -> Self {
        Self::new(what, site, Expect::LeftOut(text))
    }

    /// A feed that must be taken, of which something is said.
    pub fn warned(what: impl Into<String>, site: Site, text: &'static str) -> Self {
        Self::new(what, site, Expect::Warned(text))
    }

    fn new(what: impl Into<String>, site: Site, expect: Expect) -> Self {
        Self {
            what: what.into(),
            site,
            keys: Vec::new(),
            expect,
        }
    }

    /// Adds a key of the repository.
    #[must_use]
    pub fn key(mut self, line: impl Into<String>) -> Self {
        self.keys.push(line.into());
        self
    }

    /// As a mirror.
    #[must_use]
    pub fn mirrored(self) -> Self {
        self.key("mode: mirror")
    }

    /// In either mode; both must refuse it.
    #[must_use]
    pub fn in_any_mode(self, draw: &mut Draw) -> Self {
        let mode = *draw.pick(&["mode: mirror", "mode: filtered"]);
        self.key(mode)
    }
}

/// One way to be wrong.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its id in the corpus plan.
    pub id: &'static str,
    /// Makes one variant.
    pub make: fn(&mut Draw) -> Variant,
}

impl Row {
    /// The variant of a seed.
    pub fn variant(&self, seed: u64) -> Variant {
        let salt = self
            .id
            .bytes()
            .fold(seed, |salt, byte| salt.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        (self.make)(&mut Draw::new(salt, seed))
    }
}
