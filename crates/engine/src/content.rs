//! The content that a sync is about to record: members with digests in place of database ids.

use std::collections::HashMap;

use chantal_model::{ItemKind, Mode, Sha256};

/// Number of parts that a member can have records of.
pub(crate) const PARTS: usize = 3;

/// One member of the content.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: ItemKind,
    pub(crate) path: String,
    /// Bytes: SHA-256 and size; `None` for members without a file of their own.
    pub(crate) blob: Option<(Sha256, u64)>,
    /// Digests of the records of each part.
    pub(crate) records: [Option<Sha256>; PARTS],
    /// Facts for listings, as JSON.
    pub(crate) attributes: Option<String>,
    /// Index of the listed package.
    pub(crate) package: Option<u32>,
}

/// The digest over a content: equal content, equal fingerprint.
///
/// SHA-256 over the mode and one line per member in the byte order of kind and path: kind, path, SHA-256, size,
/// digests of its records, digest of its attributes. No ids and no clock.
pub(crate) fn fingerprint(mode: Mode, settings: &str, entries: &mut [Entry]) -> Sha256 {
    entries.sort_by(|a, b| (a.kind, a.path.as_bytes()).cmp(&(b.kind, b.path.as_bytes())));
    let mut digester = chantal_model::Digester::new([]);
    digester.update(format!("{mode}\n{settings}\n").as_bytes());
    for entry in entries.iter() {
        digester.update(line(entry).as_bytes());
    }
    digester.finish().0
}

fn line(entry: &Entry) -> String {
    let (sha256, size) = entry
        .blob
        .map_or((String::from("-"), 0), |(sha256, size)| (sha256.hex(), size));
    let mut line = format!("{}\t{}\t{sha256}\t{size}", entry.kind, entry.path);
    for record in &entry.records {
        line.push('\t');
        line.push_str(&record.map_or_else(|| String::from("-"), |digest| digest.hex()));
    }
    line.push('\t');
    line.push_str(
        &entry
            .attributes
            .as_deref()
            .map_or_else(String::new, |a| Sha256::of(a.as_bytes()).hex()),
    );
    line.push('\n');
    line
}

/// What a current member is identified by when it is compared with the new content.
pub(crate) type Identity = (ItemKind, String);

/// The members to open and the ids of those to close.
pub(crate) struct Delta {
    pub(crate) open: Vec<usize>,
    pub(crate) close: Vec<i64>,
}

/// A member that the catalog holds now.
pub(crate) struct Current {
    pub(crate) id: i64,
    pub(crate) package_id: Option<i64>,
    pub(crate) blob_id: Option<i64>,
    pub(crate) record_ids: [Option<i64>; PARTS],
    pub(crate) attributes: Option<String>,
}

/// The new content in terms of database ids.
pub(crate) struct Resolved {
    pub(crate) package_id: Option<i64>,
    pub(crate) blob_id: Option<i64>,
    pub(crate) record_ids: [Option<i64>; PARTS],
}

/// Compares member by member: what is equal in everything stays open.
pub(crate) fn delta(entries: &[Entry], resolved: &[Resolved], mut current: HashMap<Identity, Current>) -> Delta {
    let mut open = Vec::new();
    let mut close = Vec::new();
    for (index, (entry, new)) in entries.iter().zip(resolved).enumerate() {
        match current.remove(&(entry.kind, entry.path.clone())) {
            Some(old)
                if old.package_id == new.package_id
                    && old.blob_id == new.blob_id
                    && old.record_ids == new.record_ids
                    && old.attributes == entry.attributes => {}
            Some(old) => {
                close.push(old.id);
                open.push(index);
            }
            None => open.push(index),
        }
    }
    close.extend(current.into_values().map(|old| old.id));
    close.sort_unstable();
    Delta { open, close }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, bytes: &[u8]) -> Entry {
        Entry {
            kind: ItemKind::Package,
            path: path.into(),
            blob: Some((Sha256::of(bytes), bytes.len() as u64)),
            records: [None; PARTS],
            attributes: None,
            package: None,
        }
    }

    #[test]
    fn order_does_not_matter_but_every_field_does() {
        let base = || vec![entry("a", b"1"), entry("b", b"2")];
        let of = |mut entries: Vec<Entry>| fingerprint(Mode::Filtered, "{}", &mut entries);
        let mut reversed = base();
        reversed.reverse();
        assert_eq!(of(base()), of(reversed));

        let mut other = base();
        other[0].records[2] = Some(Sha256::of(b"x"));
        assert_ne!(of(base()), of(other));
        let mut other = base();
        other[1].attributes = Some("{}".into());
        assert_ne!(of(base()), of(other));
        assert_ne!(of(base()), fingerprint(Mode::Mirror, "{}", &mut base()));
        assert_ne!(of(base()), fingerprint(Mode::Filtered, "{ }", &mut base()));
    }

    #[test]
    fn only_what_differs_is_opened_and_closed() {
        let entries = [entry("same", b"1"), entry("changed", b"2"), entry("new", b"3")];
        let resolved: Vec<Resolved> = [Some(1), Some(2), Some(3)]
            .into_iter()
            .map(|blob_id| Resolved {
                package_id: None,
                blob_id,
                record_ids: [None; PARTS],
            })
            .collect();
        let old = |id, blob| Current {
            id,
            package_id: None,
            blob_id: Some(blob),
            record_ids: [None; PARTS],
            attributes: None,
        };
        let current = [("same", old(10, 1)), ("changed", old(11, 9)), ("gone", old(12, 8))]
            .into_iter()
            .map(|(path, old)| ((ItemKind::Package, path.to_owned()), old))
            .collect();
        let delta = delta(&entries, &resolved, current);
        assert_eq!(delta.open, [1, 2]);
        assert_eq!(delta.close, [11, 12]);
    }
}
