//! Who signed a package: the keys that its signatures name. Nothing is verified here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{BadPackage, Rpm, tags};

/// The packet of a signature, RFC 9580, section 5.2.
const SIGNATURE: u8 = 2;
/// Subpackets of a signature: the identity of the key, its whole fingerprint.
const ISSUER: u8 = 16;
const ISSUER_FINGERPRINT: u8 = 33;

impl Rpm {
    /// The keys that signed the header, as Pulp writes them: `v4:` or `v6:` with the fingerprint, else `keyid:` with the
    /// identity, in upper-case hex. What cannot be read is passed over: it names nobody.
    ///
    /// # Errors
    /// [`BadPackage`] if the signature header is damaged.
    pub fn signing_keys(&self) -> Result<Vec<String>, BadPackage> {
        let mut signatures = Vec::new();
        for text in self.signature.strings(tags::SIGNATURE_OPENPGP)? {
            signatures.extend(STANDARD.decode(text.split_whitespace().collect::<String>()));
        }
        if signatures.is_empty() {
            for tag in [tags::SIGNATURE_RSA, tags::SIGNATURE_DSA] {
                signatures.extend(self.signature.binary(tag)?.map(<[u8]>::to_vec));
            }
        }
        Ok(signatures.iter().filter_map(|bytes| signer(bytes)).collect())
    }
}

/// The key that a packet names.
fn signer(packet: &[u8]) -> Option<String> {
    let body = body(packet)?;
    match body.first()? {
        // Of version 3, section 5.2.2: two bytes of type and five of hash and time, then the identity.
        2 | 3 => Some(key_id(body.get(7..15)?)),
        4 | 6 => {
            let wide = if body[0] == 6 { 4 } else { 2 };
            let mut at = 4;
            let mut id = None;
            for _ in 0..2 {
                let length = number(body.get(at..at + wide)?);
                let area = body.get(at + wide..(at + wide).checked_add(length)?)?;
                for (kind, data) in Subpackets(area) {
                    match (kind, data.split_first()) {
                        (ISSUER_FINGERPRINT, Some((version @ (4 | 6), fingerprint))) => {
                            return Some(format!("v{version}:{}", hex::encode_upper(fingerprint)));
                        }
                        (ISSUER, _) if data.len() == 8 => id = Some(key_id(data)),
                        _ => {}
                    }
                }
                at += wide + length;
            }
            id
        }
        _ => None,
    }
}

fn key_id(bytes: &[u8]) -> String {
    format!("keyid:{}", hex::encode_upper(bytes))
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// The body of a signature's packet, with a header of either format (section 4.2).
fn body(packet: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = packet.split_first()?;
    let (kind, begin) = match tag & 0xc0 {
        0xc0 => (
            tag & 0x3f,
            match rest.first()? {
                0..=191 => 1,
                192..=223 => 2,
                255 => 5,
                // In parts, which no signature is.
                _ => return None,
            },
        ),
        0x80 => (tag >> 2 & 0xf, [1, 2, 4, 0][usize::from(tag & 3)]),
        _ => return None,
    };
    if kind == SIGNATURE { rest.get(begin..) } else { None }
}

/// Kinds and data, section 5.2.3.7.
struct Subpackets<'a>(&'a [u8]);

impl<'a> Iterator for Subpackets<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (begin, length): (usize, usize) = match *self.0.first()? {
            short @ 0..=191 => (1, usize::from(short)),
            255 => (5, number(self.0.get(1..5)?)),
            long => (2, (usize::from(long) - 192) * 256 + usize::from(*self.0.get(1)?) + 192),
        };
        let whole = self.0.get(begin..begin.checked_add(length)?)?;
        self.0 = &self.0[begin + length..];
        let (kind, data) = whole.split_first()?;
        // The highest bit only says that it matters.
        Some((kind & 0x7f, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(hashed: &[u8], rest: &[u8]) -> Vec<u8> {
        let length = |area: &[u8]| u16::try_from(area.len()).unwrap().to_be_bytes();
        let areas = [&length(hashed), hashed, &length(rest), rest].concat();
        let body = [&[4, 0, 1, 8], areas.as_slice(), &[0xab, 0xcd]].concat();
        [&[0x88, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
    }

    #[test]
    fn a_signature_names_its_key() {
        let fingerprint = [&[22, ISSUER_FINGERPRINT, 4], [0x11; 20].as_slice()].concat();
        let id = [&[9, ISSUER], [0xee; 8].as_slice()].concat();
        assert_eq!(signer(&signature(&fingerprint, &id)), Some(format!("v4:{}", "11".repeat(20))));
        assert_eq!(signer(&signature(&[2, 27, 1], &id)), Some(format!("keyid:{}", "EE".repeat(8))));
        assert_eq!(signer(&signature(&[], &[])), None);
        let old = [&[0x88, 19, 3, 5, 0, 0, 0, 0, 0], [0xaa; 8].as_slice(), &[1, 8]].concat();
        assert_eq!(signer(&old), Some(format!("keyid:{}", "AA".repeat(8))));
    }

    #[test]
    fn no_damage_leads_out_of_a_signature() {
        let whole = signature(&[22, ISSUER_FINGERPRINT, 4, 1, 1, 1], &[9, ISSUER, 1, 1, 1, 1, 1, 1, 1, 1]);
        for at in 0..whole.len() {
            for byte in 0..=u8::MAX {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                let _ = signer(&damaged);
                let _ = signer(&damaged[..at]);
            }
        }
    }
}
