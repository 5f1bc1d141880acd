//! The content that a sync is about to record: its fingerprint, and how it differs from what is recorded.

use chantal_catalog::MemberKey;
use chantal_model::{Digester, ItemKind, Mode, Sha256};

/// Number of parts that a member can have records of.
pub(crate) const PARTS: usize = 3;

/// One member as the fingerprint sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) kind: ItemKind,
    pub(crate) path: &'a str,
    /// Bytes: SHA-256 and size; `None` for members without a file of their own.
    pub(crate) blob: Option<(Sha256, u64)>,
    /// Digests of the records of each part.
    pub(crate) records: [Option<Sha256>; PARTS],
    /// Facts for listings, as JSON.
    pub(crate) attributes: Option<&'a str>,
}

/// The digest over a content: equal content, equal fingerprint.
///
/// SHA-256 over the mode, the settings and one line per member in the byte order of kind and path: kind, path, SHA-256,
/// size, digests of its records, digest of its attributes. No ids and no clock.
pub(crate) struct Fingerprint(Digester);

impl Fingerprint {
    pub(crate) fn new(mode: Mode, settings: &str) -> Self {
        let mut digester = Digester::new([]);
        digester.update(format!("{mode}\n{settings}\n").as_bytes());
        Self(digester)
    }

    /// Takes the next member, in order of kind and path.
    pub(crate) fn add(&mut self, line: &Line<'_>) {
        let (sha256, size) = line
            .blob
            .map_or((String::from("-"), 0), |(sha256, size)| (sha256.hex(), size));
        let mut text = format!("{}\t{}\t{sha256}\t{size}", line.kind, line.path);
        for record in &line.records {
            text.push('\t');
            text.push_str(&record.map_or_else(|| String::from("-"), |digest| digest.hex()));
        }
        text.push('\t');
        if let Some(attributes) = line.attributes {
            text.push_str(&Sha256::of(attributes.as_bytes()).hex());
        }
        text.push('\n');
        self.0.update(text.as_bytes());
    }

    pub(crate) fn finish(self) -> Sha256 {
        self.0.finish().0
    }
}

/// The rows of the database that a member names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) package: Option<i64>,
    pub(crate) blob: Option<i64>,
    pub(crate) records: [Option<i64>; PARTS],
}

/// A member of the new content.
pub(crate) struct New<'a> {
    pub(crate) path: &'a str,
    pub(crate) rows: Rows,
    pub(crate) attributes: Option<&'a str>,
}

/// The members to open and the ids of those to close.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    /// Places in the new content.
    pub(crate) open: Vec<u32>,
    pub(crate) close: Vec<i64>,
    /// Those of `open` whose path no old member has.
    pub(crate) added: Vec<u32>,
}

/// Compares the members of one kind, both sides in path order; what is equal in everything stays open.
pub(crate) struct Merge<'a, I: Iterator<Item = New<'a>>> {
    new: std::iter::Peekable<std::iter::Enumerate<I>>,
    delta: Delta,
}

impl<'a, I: Iterator<Item = New<'a>>> Merge<'a, I> {
    pub(crate) fn new(new: I) -> Self {
        Self {
            new: new.enumerate().peekable(),
            delta: Delta::default(),
        }
    }

    /// Takes the next old member.
    pub(crate) fn old(&mut self, old: &MemberKey) {
        while let Some((at, _)) = self.new.next_if(|(_, new)| new.path < old.path.as_str()) {
            self.delta.open.push(at as u32);
            self.delta.added.push(at as u32);
        }
        let Some((at, new)) = self.new.next_if(|(_, new)| new.path == old.path) else {
            self.delta.close.push(old.id);
            return;
        };
        let rows = Rows {
            package: old.package_id,
            blob: old.blob_id,
            records: old.records,
        };
        if rows != new.rows || old.attributes.as_deref() != new.attributes {
            self.delta.close.push(old.id);
            self.delta.open.push(at as u32);
        }
    }

    /// Call after the last old member.
    pub(crate) fn finish(mut self) -> Delta {
        for (at, _) in self.new {
            self.delta.open.push(at as u32);
            self.delta.added.push(at as u32);
        }
        self.delta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(path: &'a str, bytes: &[u8]) -> Line<'a> {
        Line {
            kind: ItemKind::Package,
            path,
            blob: Some((Sha256::of(bytes), bytes.len() as u64)),
            records: [None; PARTS],
            attributes: None,
        }
    }

    #[test]
    fn every_field_of_a_member_counts() {
        let of = |mode, settings: &str, lines: &[Line<'_>]| {
            let mut fingerprint = Fingerprint::new(mode, settings);
            for line in lines {
                fingerprint.add(line);
            }
            fingerprint.finish()
        };
        let base = [line("a", b"1"), line("b", b"2")];
        let plain = of(Mode::Filtered, "{}", &base);
        assert_eq!(plain, of(Mode::Filtered, "{}", &base));
        let mut others = [base, base, base, base];
        others[0][0].records[2] = Some(Sha256::of(b"x"));
        others[1][1].attributes = Some("{}");
        others[2][1].path = "c";
        others[3][0].blob = None;
        for other in others {
            assert_ne!(plain, of(Mode::Filtered, "{}", &other));
        }
        assert_ne!(plain, of(Mode::Mirror, "{}", &base));
        assert_ne!(plain, of(Mode::Filtered, "{ }", &base));
        assert_ne!(plain, of(Mode::Filtered, "{}", &base[..1]));
    }

    fn new(path: &str, blob: i64) -> New<'_> {
        New {
            path,
            rows: Rows {
                blob: Some(blob),
                ..Rows::default()
            },
            attributes: None,
        }
    }

    fn old(id: i64, path: &str, blob: i64) -> MemberKey {
        MemberKey {
            id,
            path: path.to_owned(),
            package_id: None,
            blob_id: Some(blob),
            records: [None; PARTS],
            attributes: None,
        }
    }

    #[test]
    fn only_what_differs_is_opened_and_closed() {
        let mut merge = Merge::new([new("a", 1), new("changed", 2), new("new", 3), new("same", 4)].into_iter());
        for old in [
            old(11, "changed", 9),
            old(12, "gone", 8),
            old(10, "same", 4),
            old(13, "z", 1),
        ] {
            merge.old(&old);
        }
        assert_eq!(
            merge.finish(),
            Delta {
                open: vec![0, 1, 2],
                close: vec![11, 12, 13],
                added: vec![0, 2],
            }
        );
    }

    #[test]
    fn attributes_count_too() {
        let with = New {
            attributes: Some("{}"),
            ..new("a", 1)
        };
        let mut merge = Merge::new([with].into_iter());
        merge.old(&old(1, "a", 1));
        let delta = merge.finish();
        assert_eq!((delta.open, delta.close, delta.added), (vec![0], vec![1], vec![]));
    }

    #[test]
    fn nothing_before_and_nothing_after() {
        assert_eq!(Merge::new([new("a", 1)].into_iter()).finish().added, [0]);
        let mut merge = Merge::new(std::iter::empty());
        merge.old(&old(1, "a", 1));
        assert_eq!(merge.finish().close, [1]);
    }
}
