//! Which bytes stand behind numbered things, such as the packages of a listing.

use chantal_model::Sha256;

/// The name and size of a blob.
pub(crate) type Blob = (Sha256, u64);

/// Blobs by number, most of the numbers with one or most without: 4 bytes for a number, 40 for a blob.
#[derive(Default)]
pub(crate) struct Blobs {
    /// For each number its place in `known`, or [`NONE`].
    places: Vec<u32>,
    known: Vec<Blob>,
}

const NONE: u32 = u32::MAX;

impl Blobs {
    /// None yet, with room for numbers below `len`.
    pub(crate) fn with_room(len: usize) -> Self {
        Self {
            places: vec![NONE; len],
            // Memory that nothing is written to is not used.
            known: Vec::with_capacity(len),
        }
    }

    /// The blob of a number.
    pub(crate) fn get(&self, number: u32) -> Option<Blob> {
        let place = *self.places.get(number as usize)?;
        self.known.get(place as usize).copied()
    }

    /// Gives a number its blob.
    pub(crate) fn set(&mut self, number: u32, blob: Blob) {
        let at = number as usize;
        if at >= self.places.len() {
            self.places.resize(at + 1, NONE);
        }
        if let Some(known) = self.known.get_mut(self.places[at] as usize) {
            *known = blob;
        } else {
            self.places[at] = self.known.len() as u32;
            self.known.push(blob);
        }
    }

    /// All blobs, in no order that means anything.
    pub(crate) fn all(&self) -> &[Blob] {
        &self.known
    }

    /// Numbers that have a blob, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Blob)> + '_ {
        (0..self.places.len() as u32).filter_map(|number| Some((number, self.get(number)?)))
    }

    /// Takes what another one has.
    pub(crate) fn take(&mut self, other: Self) {
        if self.known.is_empty() {
            *self = other;
            return;
        }
        for (number, blob) in other.iter() {
            self.set(number, blob);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_blobs() {
        let blob = |n: u8| (Sha256([n; 32]), u64::from(n));
        let mut blobs = Blobs::with_room(4);
        assert_eq!(blobs.get(0), None);
        assert_eq!(blobs.get(9), None);
        blobs.set(3, blob(3));
        blobs.set(9, blob(9));
        blobs.set(1, blob(2));
        blobs.set(1, blob(1));
        assert_eq!(
            blobs.iter().collect::<Vec<_>>(),
            [(1, blob(1)), (3, blob(3)), (9, blob(9))]
        );
        assert_eq!(blobs.all().len(), 3);

        let mut all = Blobs::default();
        all.take(blobs);
        let mut more = Blobs::default();
        more.set(0, blob(7));
        more.set(3, blob(8));
        all.take(more);
        let numbers: Vec<_> = all.iter().map(|(number, (_, size))| (number, size)).collect();
        assert_eq!(numbers, [(0, 7), (1, 1), (3, 8), (9, 9)]);
    }
}
