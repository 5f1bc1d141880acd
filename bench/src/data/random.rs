//! Figures and words drawn from a seed, the same everywhere.

/// `SplitMix64`.
pub(super) struct Random(u64);

impl Random {
    /// A generator for one object, so that objects do not depend on the order of making.
    pub(super) fn of(seed: u64, what: &str, number: usize) -> Self {
        let mut random = Self(seed);
        for byte in what.bytes() {
            random.0 = random.next() ^ u64::from(byte);
        }
        random.0 = random.next() ^ number as u64;
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// One of some values by their weights, which sum up to 100.
    pub(super) fn pick(&mut self, weighted: &[(usize, usize)]) -> usize {
        let mut place = self.below(100);
        for (value, weight) in weighted {
            if place < *weight {
                return *value;
            }
            place -= weight;
        }
        weighted.last().map_or(0, |(value, _)| *value)
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Log-normal with this median: most are small, a few large, as sizes of packages are.
    pub(super) fn size(&mut self, median: f64, most: usize) -> usize {
        let normal: f64 = (0..12).map(|_| self.part()).sum::<f64>() - 6.0;
        ((normal * 1.4).exp() * median).clamp(64.0, most as f64) as usize
    }

    /// Words, the first with a capital.
    pub(super) fn sentence(&mut self, words: usize) -> String {
        let mut text = String::new();
        for place in 0..words {
            if place > 0 {
                text.push(' ');
            }
            text.push_str(WORDS[self.below(WORDS.len())]);
        }
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        text
    }

    pub(super) fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    /// Bytes of which about half can be compressed.
    pub(super) fn body(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size / 2 {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(size / 2);
        bytes.extend(b"made for a benchmark ".iter().cycle().take(size - bytes.len()));
        bytes
    }
}

const WORDS: [&str; 44] = [
    "tools",
    "library",
    "for",
    "parsing",
    "fast",
    "small",
    "network",
    "storage",
    "image",
    "audio",
    "text",
    "data",
    "format",
    "client",
    "server",
    "daemon",
    "bindings",
    "development",
    "files",
    "documentation",
    "runtime",
    "support",
    "plugin",
    "module",
    "interface",
    "common",
    "utilities",
    "access",
    "control",
    "secure",
    "graph",
    "index",
    "cache",
    "query",
    "stream",
    "archive",
    "build",
    "test",
    "system",
    "kernel",
    "python",
    "header",
    "locale",
    "manual",
];
