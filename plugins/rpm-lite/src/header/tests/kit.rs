//! Packages from a list of entries.

use aws_lc_rs::digest;

use super::super::tags;

/// A value of an entry.
#[derive(Clone)]
pub(super) enum Value {
    Text(&'static str),
    Texts(Vec<&'static str>),
    Translated(Vec<&'static [u8]>),
    Shorts(Vec<u16>),
    Words(Vec<u32>),
    Longs(Vec<u64>),
    Bytes(Vec<u8>),
    Owned(String),
}

fn header(entries: &[(u32, Value)]) -> Vec<u8> {
    let mut index = Vec::new();
    let mut store = Vec::new();
    for (tag, value) in entries {
        let lines = |texts: &[&[u8]]| texts.iter().flat_map(|text| [*text, b"\0"].concat()).collect::<Vec<u8>>();
        let (kind, count, width, bytes) = match value {
            Value::Text(text) => (6, 1, 1, lines(&[text.as_bytes()])),
            Value::Owned(text) => (6, 1, 1, lines(&[text.as_bytes()])),
            Value::Texts(texts) => {
                (8, texts.len(), 1, lines(&texts.iter().map(|text| text.as_bytes()).collect::<Vec<_>>()))
            }
            Value::Translated(texts) => (9, texts.len(), 1, lines(texts)),
            Value::Shorts(numbers) => (3, numbers.len(), 2, numbers.iter().flat_map(|one| one.to_be_bytes()).collect()),
            Value::Words(numbers) => (4, numbers.len(), 4, numbers.iter().flat_map(|one| one.to_be_bytes()).collect()),
            Value::Longs(numbers) => (5, numbers.len(), 8, numbers.iter().flat_map(|one| one.to_be_bytes()).collect()),
            Value::Bytes(bytes) => (7, bytes.len(), 1, bytes.clone()),
        };
        store.resize(store.len().next_multiple_of(width), 0);
        for word in [*tag, kind, u32::try_from(store.len()).unwrap(), u32::try_from(count).unwrap()] {
            index.extend_from_slice(&word.to_be_bytes());
        }
        store.extend(bytes);
    }
    let count = u32::try_from(entries.len()).unwrap().to_be_bytes();
    let size = u32::try_from(store.len()).unwrap().to_be_bytes();
    [&[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0], &count[..], &size, &index, &store].concat()
}

fn whole(signature: &[(u32, Value)], header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut lead = vec![0; 96];
    lead[..6].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3, 0]);
    let mut bytes = [lead, self::header(signature)].concat();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    [&bytes, header, payload].concat()
}

/// A package with these entries and digests of them.
pub(super) fn rpm(entries: &[(u32, Value)], payload: &[u8]) -> Vec<u8> {
    use md5::Digest;

    let header = header(entries);
    let both = [&header, payload].concat();
    let signature = [
        (tags::SIGNATURE_SHA256, Value::Owned(hex::encode(digest::digest(&digest::SHA256, &header)))),
        (tags::SIGNATURE_SHA1, Value::Owned(hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &header)))),
        (tags::SIGNATURE_SIZE, Value::Words(vec![u32::try_from(both.len()).unwrap()])),
        (tags::SIGNATURE_MD5, Value::Bytes(md5::Md5::digest(&both).to_vec())),
    ];
    whole(&signature, &header, payload)
}

/// A package of which nobody says what its digests are.
pub(super) fn unsigned(entries: &[(u32, Value)], payload: &[u8]) -> Vec<u8> {
    let signature =
        [(tags::SIGNATURE_SIZE, Value::Words(vec![0])), (tags::SIGNATURE_RSA, Value::Bytes(vec![0x88, 9, 4]))];
    whole(&signature, &header(entries), payload)
}
