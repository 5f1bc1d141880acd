//! The header structure of RPM (version 3 of the file format, `docs/manual/format_header.md` of rpm).

/// Ends the lead's successor, the signature header.
pub(super) const REGION_SIGNATURE: u32 = 62;
/// The immutable region of the main header.
pub(super) const REGION_IMMUTABLE: u32 = 63;

/// The value of a tag.
pub(super) enum Value {
    Int16(Vec<u16>),
    Int32(Vec<u32>),
    Text(String),
    /// Translatable, in the C locale.
    Translated(String),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
}

impl Value {
    pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Texts(texts.into_iter().map(Into::into).collect())
    }

    fn kind(&self) -> u32 {
        match self {
            Self::Int16(_) => 3,
            Self::Int32(_) => 4,
            Self::Text(_) => 6,
            Self::Bytes(_) => 7,
            Self::Texts(_) => 8,
            Self::Translated(_) => 9,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Int16(values) => values.len(),
            Self::Int32(values) => values.len(),
            Self::Text(_) | Self::Translated(_) => 1,
            Self::Texts(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    fn align(&self) -> usize {
        match self {
            Self::Int16(_) => 2,
            Self::Int32(_) => 4,
            _ => 1,
        }
    }

    fn store(&self, store: &mut Vec<u8>) {
        match self {
            Self::Int16(values) => values.iter().for_each(|value| store.extend(value.to_be_bytes())),
            Self::Int32(values) => values.iter().for_each(|value| store.extend(value.to_be_bytes())),
            Self::Text(text) | Self::Translated(text) => store_text(text, store),
            Self::Texts(texts) => texts.iter().for_each(|text| store_text(text, store)),
            Self::Bytes(bytes) => store.extend(bytes),
        }
    }
}

fn store_text(text: &str, store: &mut Vec<u8>) {
    store.extend(text.as_bytes());
    store.push(0);
}

/// Fills `store` with zeros up to a multiple of `align`.
pub(super) fn pad(store: &mut Vec<u8>, align: usize) {
    store.resize(store.len().next_multiple_of(align), 0);
}

/// Serializes tags into a header whose region spans all of them.
pub(super) fn header(mut tags: Vec<(u32, Value)>, region: u32) -> Vec<u8> {
    tags.retain(|(_, value)| value.count() > 0);
    tags.sort_by_key(|(tag, _)| *tag);
    let entries = tags.len() as u32 + 1;
    let mut index = Vec::new();
    let mut store = Vec::new();
    for (tag, value) in &tags {
        pad(&mut store, value.align());
        push_entry(
            &mut index,
            [*tag, value.kind(), store.len() as u32, value.count() as u32],
        );
        value.store(&mut store);
    }
    let mut first = Vec::new();
    push_entry(&mut first, [region, 7, store.len() as u32, 16]);
    push_entry(&mut store, [region, 7, (16 * entries).wrapping_neg(), 16]);

    let mut bytes = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    bytes.extend(entries.to_be_bytes());
    bytes.extend((store.len() as u32).to_be_bytes());
    bytes.extend(first);
    bytes.extend(index);
    bytes.extend(store);
    bytes
}

fn push_entry(into: &mut Vec<u8>, words: [u32; 4]) {
    for word in words {
        into.extend(word.to_be_bytes());
    }
}
