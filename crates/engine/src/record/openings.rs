//! The members that a new revision opens, as rows of the catalog and as its manifest says them.

use chantal_catalog::{FOREVER, Fact, NewMember, NewPackage};
use chantal_model::{ItemKind, RelPath, Sha256};

use super::{Content, new_package};
use crate::content::{Delta, New, PARTS};
use crate::items::Entry;
use crate::manifest::Opened;
use crate::packed::Packed;
use crate::parts::NOT_CHOSEN;

impl Content {
    /// The members that deltas open, as the manifest says them: packages in the order of the listing, then the rest.
    pub(super) fn openings<'a>(
        &'a self,
        format: &'a str,
        packages: &'a Packed,
        deltas: &'a [(ItemKind, Delta)],
    ) -> impl Iterator<Item = Opened> + Send + 'a {
        let mut slots = vec![NOT_CHOSEN; packages.len()];
        let mut rest = Vec::new();
        for (_, delta) in deltas.iter().filter(|(kind, _)| *kind == ItemKind::Package) {
            for (slot, new) in places(self.packages(), &delta.open) {
                match slot {
                    Some(slot) => slots[self.choice[slot].0 as usize] = slot as u32,
                    None => rest.push(Opened::Rows(new_member(ItemKind::Package, &new))),
                }
            }
        }
        let listed = packages.iter().filter_map(move |(index, package)| {
            let slot = slots[index as usize];
            let (_, path) = self.choice.get(slot as usize)?;
            let blob = self.blobs.get(index)?;
            let slot = slot as usize;
            let package = new_package(format, &package, &blob.0, 0);
            let fact = package_fact(path, package, blob, self.records.digests(slot));
            Some(Opened::Known(Box::new(fact), self.records.rows(slot)))
        });
        let items = deltas.iter().filter(|(kind, _)| *kind != ItemKind::Package);
        let items = items.flat_map(|(kind, delta)| places(self.items_of(*kind), &delta.open));
        let items = items.map(|item| Opened::Known(Box::new(item_fact(item)), item.rows().records));
        listed.chain(rest).chain(items)
    }
}

fn new_member(kind: ItemKind, new: &New<'_>) -> NewMember {
    NewMember {
        kind,
        path: new.path.to_owned(),
        package_id: new.rows.package,
        blob_id: new.rows.blob,
        records: new.rows.records,
        attributes: new.attributes.map(str::to_owned),
    }
}

/// Those whose place is among `wanted`, which is in ascending order.
fn places<T>(all: impl Iterator<Item = T>, wanted: &[u32]) -> impl Iterator<Item = T> {
    let mut wanted = wanted.iter().copied().peekable();
    all.enumerate()
        .filter_map(move |(at, one)| wanted.next_if_eq(&(at as u32)).map(|_| one))
}

/// The members that a delta opens.
pub(super) fn opened<'a>(
    content: &'a Content,
    kind: ItemKind,
    delta: &'a Delta,
) -> impl Iterator<Item = NewMember> + Send + 'a {
    places(content.members(kind), &delta.open).map(move |new| new_member(kind, &new))
}

/// What a manifest says of a package of the listing.
fn package_fact(path: &RelPath, package: NewPackage, blob: (Sha256, u64), records: [Option<Sha256>; PARTS]) -> Fact {
    Fact {
        kind: ItemKind::Package.name().to_owned(),
        path: path.as_str().to_owned(),
        added_in: 0,
        removed_in: FOREVER,
        blob: Some((blob.0.hex(), blob.1)),
        package: Some(package.into()),
        records: records.map(|record| record.map(|digest| digest.hex())),
        attributes: None,
    }
}

fn item_fact(item: &Entry) -> Fact {
    Fact {
        kind: item.kind.name().to_owned(),
        path: item.path.to_string(),
        added_in: 0,
        removed_in: FOREVER,
        blob: item.blob.as_deref().map(|(sha256, size)| (sha256.hex(), *size)),
        package: None,
        records: [item.record.map(|digest| digest.hex()), None, None],
        attributes: item.attributes.as_deref().map(str::to_owned),
    }
}
