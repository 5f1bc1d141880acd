//! Numbers drawn from a seed.

/// `SplitMix64`, and which variant of its row is being made.
#[derive(Clone, Debug)]
pub struct Draw {
    state: u64,
    turn: u64,
}

impl Draw {
    /// Draws from a seed, for the variant of number `turn`.
    pub fn new(seed: u64, turn: u64) -> Self {
        Self { state: seed, turn }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a limit, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// Whether a coin shows heads.
    pub fn coin(&mut self) -> bool {
        self.number() & 1 == 1
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        (self.number() >> 24) as u8
    }

    /// Some bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// One of several at random.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One of several, all of them in turn as variants go on: so none is missed.
    pub fn each<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.turn as usize % of.len()]
    }

    /// A number that grows with the variants: each `step`-th of them.
    pub fn turn(&self) -> usize {
        self.turn as usize
    }

    /// A word of lower-case letters.
    pub fn word(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b'a' + (self.byte() % 26))).collect()
    }
}
