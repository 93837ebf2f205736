//! OpenPGP messages (RFC 9580), as far as it takes to see what was signed, by which key, and when.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};

/// The most bytes that something compressed may become.
const LARGEST: u64 = 1 << 20;

/// How deep messages may be compressed in each other: nobody does it twice.
const DEEPEST: u8 = 2;

/// Packets, by their type (section 5).
const SIGNATURE: u8 = 2;
const COMPRESSED: u8 = 8;
const LITERAL: u8 = 11;

/// Parts of a signature, by their type (section 5.2.3.7).
const CREATED: u8 = 2;
const ISSUER: u8 = 16;
const ISSUER_FINGERPRINT: u8 = 33;

/// A signed message.
#[derive(Debug)]
pub(super) struct Message {
    /// What is signed.
    pub(super) signed: Vec<u8>,
    /// The id of the key that signed it, in upper-case hexadecimal.
    pub(super) key_id: String,
    /// The fingerprint of that key, in upper-case hexadecimal, if the signature has it.
    pub(super) fingerprint: Option<String>,
    /// When it was signed, in seconds since 1970.
    pub(super) created: i64,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    signed: Option<Vec<u8>>,
    key_id: Option<String>,
    fingerprint: Option<String>,
    created: Option<u32>,
}

type Outcome<T> = Result<T, &'static str>;

const CUT_OFF: &str = "The signature is cut off.";

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it: a sentence for whoever sent it.
    pub(super) fn read(bytes: &[u8]) -> Outcome<Self> {
        let mut found = Found::default();
        found.packets(bytes, 0)?;
        let Found { signed, key_id, fingerprint, created } = found;
        let signed = signed.filter(|signed| !signed.is_empty()).ok_or("The signature holds nothing that is signed.")?;
        let key_id = key_id.or_else(|| fingerprint.as_deref().and_then(key_id_of));
        Ok(Self {
            signed,
            key_id: key_id.ok_or("The signature does not say by which key it was made.")?,
            fingerprint,
            created: created.ok_or("The signature does not say when it was made.")?.into(),
        })
    }
}

/// Sections 5.5.4.2 and 5.5.4.3: the end of a fingerprint of version 4, and the beginning of one of version 6.
fn key_id_of(fingerprint: &str) -> Option<String> {
    match fingerprint.len() {
        40 => fingerprint.get(24..),
        64 => fingerprint.get(..16),
        _ => None,
    }
    .map(str::to_owned)
}

impl Found {
    fn packets(&mut self, bytes: &[u8], depth: u8) -> Outcome<()> {
        let mut rest = Bytes(bytes);
        while !rest.0.is_empty() {
            let (kind, body) = packet(&mut rest)?;
            match kind {
                SIGNATURE => self.signature(Bytes(&body))?,
                COMPRESSED if depth < DEEPEST => self.packets(&expanded(Bytes(&body))?, depth + 1)?,
                COMPRESSED => return Err("The signature is compressed too many times."),
                LITERAL => self.signed = Some(literal(Bytes(&body))?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Section 5.2.
    fn signature(&mut self, mut body: Bytes<'_>) -> Outcome<()> {
        let version = body.byte()?;
        match version {
            3 => {
                body.take(2)?;
                self.created = Some(body.number(4)?);
                self.key_id = Some(hex::encode_upper(body.take(8)?));
            }
            4 | 6 => {
                body.take(3)?;
                let length = if version == 4 { 2 } else { 4 };
                for _ in ["hashed", "not hashed"] {
                    let size = body.number(length)?;
                    self.parts(Bytes(body.take(size as usize)?))?;
                }
            }
            _ => return Err("The signature is of a version that is not known."),
        }
        Ok(())
    }

    fn parts(&mut self, mut parts: Bytes<'_>) -> Outcome<()> {
        while !parts.0.is_empty() {
            let size = match parts.byte()? {
                short @ 0..192 => usize::from(short),
                255 => parts.number(4)? as usize,
                middle => (usize::from(middle - 192) << 8) + usize::from(parts.byte()?) + 192,
            };
            let mut part = Bytes(parts.take(size)?);
            // The highest bit says that it must be understood.
            match part.byte()? & 0x7F {
                CREATED => self.created = Some(part.number(4)?),
                ISSUER => self.key_id = Some(hex::encode_upper(part.take(8)?)),
                ISSUER_FINGERPRINT => {
                    part.byte()?;
                    self.fingerprint = Some(hex::encode_upper(part.0));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The next packet: its type, and its body in one piece (section 4.2).
fn packet<'a>(rest: &mut Bytes<'a>) -> Outcome<(u8, Cow<'a, [u8]>)> {
    let head = rest.byte()?;
    if head & 0x80 == 0 {
        return Err("The signature is no OpenPGP message.");
    }
    if head & 0x40 == 0 {
        let size = match head & 0x03 {
            3 => rest.0.len(),
            length => rest.number(1 << length)? as usize,
        };
        return Ok(((head >> 2) & 0x0F, rest.take(size)?.into()));
    }
    let mut body = Cow::Borrowed(&[][..]);
    loop {
        let (size, more) = match rest.byte()? {
            short @ 0..192 => (usize::from(short), false),
            middle @ 192..224 => ((usize::from(middle - 192) << 8) + usize::from(rest.byte()?) + 192, false),
            255 => (rest.number(4)? as usize, false),
            part => (1 << (part & 0x1F), true),
        };
        let piece = rest.take(size)?;
        match body.is_empty() {
            true => body = piece.into(),
            false => body.to_mut().extend_from_slice(piece),
        }
        if !more {
            return Ok((head & 0x3F, body));
        }
    }
}

/// Section 5.6.
fn expanded(mut body: Bytes<'_>) -> Outcome<Vec<u8>> {
    let algorithm = body.byte()?;
    let mut reader: Box<dyn Read + '_> = match algorithm {
        0 => Box::new(body.0),
        1 => Box::new(DeflateDecoder::new(body.0)),
        2 => Box::new(ZlibDecoder::new(body.0)),
        _ => return Err("The signature is compressed in a way that is not known."),
    };
    let mut expanded = Vec::new();
    reader.by_ref().take(LARGEST + 1).read_to_end(&mut expanded).map_err(|_| "The signature cannot be expanded.")?;
    match expanded.len() as u64 > LARGEST {
        true => Err("The signature is too large once it is expanded."),
        false => Ok(expanded),
    }
}

/// Section 5.9: a format, a file's name, a date, and the rest.
fn literal(mut body: Bytes<'_>) -> Outcome<Vec<u8>> {
    body.byte()?;
    let name = body.byte()?;
    body.take(usize::from(name) + 4)?;
    Ok(body.0.to_vec())
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, size: usize) -> Outcome<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size).ok_or(CUT_OFF)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Outcome<u8> {
        Ok(self.take(1)?[0])
    }

    /// A number of up to four bytes, the greatest first.
    fn number(&mut self, size: usize) -> Outcome<u32> {
        Ok(self.take(size)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }
}

#[cfg(test)]
pub(super) use self::tests::{FINGERPRINT, KEY_ID, message};

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The key of the messages of [`message`].
    pub(in crate::signature) const FINGERPRINT: &str = "41AA488DD42041EA9D196563CC835D544B254E49";
    pub(in crate::signature) const KEY_ID: &str = "CC835D544B254E49";

    fn with_head(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0xC0 | kind, 255];
        packet.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        packet.extend(body);
        packet
    }

    fn literal_packet(signed: &[u8]) -> Vec<u8> {
        with_head(LITERAL, &[b"b\x01p\0\0\0\0", signed].concat())
    }

    fn signature_packet(parts: &[u8]) -> Vec<u8> {
        let size = u16::try_from(parts.len()).unwrap().to_be_bytes();
        with_head(SIGNATURE, &[&[4, 0, 1, 10][..], &size, parts, &[0, 0, 0xAB, 0xCD]].concat())
    }

    fn created() -> Vec<u8> {
        [&[5, CREATED][..], &1_700_000_000_u32.to_be_bytes()].concat()
    }

    fn issuer_fingerprint() -> Vec<u8> {
        [vec![22, ISSUER_FINGERPRINT, 4], hex::decode(FINGERPRINT).unwrap()].concat()
    }

    /// A message as `gpg --sign` makes it, but for the signature itself, which says nothing.
    pub(in crate::signature) fn message(signed: &[u8]) -> Vec<u8> {
        let parts = [issuer_fingerprint(), created()].concat();
        let inside = [with_head(4, &[3, 0, 10, 1]), literal_packet(signed), signature_packet(&parts)].concat();
        let mut deflated = flate2::write::DeflateEncoder::new(vec![1], flate2::Compression::default());
        deflated.write_all(&inside).unwrap();
        with_head(COMPRESSED, &deflated.finish().unwrap())
    }

    #[test]
    fn a_message_is_read_whether_it_is_compressed_or_not() {
        let plain = [literal_packet(b"text"), signature_packet(&[issuer_fingerprint(), created()].concat())].concat();
        for bytes in [message(b"text"), plain] {
            let message = Message::read(&bytes).unwrap();
            assert_eq!((message.signed.as_slice(), message.key_id.as_str()), (&b"text"[..], KEY_ID));
            assert_eq!((message.created, message.fingerprint.as_deref()), (1_700_000_000, Some(FINGERPRINT)));
        }
    }

    #[test]
    fn lengths_of_all_kinds_are_read() {
        // Of old, one byte and until the end; today, two bytes and in parts.
        let old = [vec![0x80 | (LITERAL << 2), 8], b"b\0\0\0\0\0ab".to_vec()].concat();
        let open = [vec![0x80 | (LITERAL << 2) | 3], b"b\0\0\0\0\0ab".to_vec()].concat();
        let parts = [&[0xC0 | LITERAL, 0xE2][..], b"b\0\0\0", &[4], b"\0\0ab"].concat();
        for bytes in [old, open, parts] {
            let (kind, body) = packet(&mut Bytes(&bytes)).unwrap();
            assert_eq!((kind, literal(Bytes(&body)).unwrap()), (LITERAL, b"ab".to_vec()));
        }
        let long = [vec![0xC0 | LITERAL, 192, 8], vec![0; 200]].concat();
        assert_eq!(packet(&mut Bytes(&long)).unwrap().1.len(), 200);
    }

    #[test]
    fn what_is_incomplete_or_no_message_is_refused() {
        let whole = message(b"text");
        for end in 0..whole.len() {
            assert!(Message::read(&whole[..end]).is_err(), "{end}");
        }
        let of = |bytes: Vec<u8>| Message::read(&bytes).unwrap_err();
        assert!(of(b"text".to_vec()).contains("no OpenPGP message"));
        assert!(of(signature_packet(&created())).contains("nothing that is signed"));
        assert!(of([literal_packet(b"a"), signature_packet(&created())].concat()).contains("by which key"));
        assert!(of([literal_packet(b"a"), signature_packet(&issuer_fingerprint())].concat()).contains("when"));
        let nested = |inside: &[u8]| with_head(COMPRESSED, &[&[0][..], inside].concat());
        assert!(of(nested(&nested(&nested(&literal_packet(b"a"))))).contains("too many times"));
        assert!(of(with_head(COMPRESSED, &[9, 0])).contains("not known"));
        let mut bomb = flate2::write::DeflateEncoder::new(vec![1], flate2::Compression::best());
        bomb.write_all(&vec![0; 4 << 20]).unwrap();
        assert!(of(with_head(COMPRESSED, &bomb.finish().unwrap())).contains("too large"));
    }
}
