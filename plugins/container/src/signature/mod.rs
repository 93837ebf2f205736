//! Detached signatures of manifests: a document that says what is signed, inside an OpenPGP message (`atomic container
//! signature` in the documentation of `containers/image`).
//!
//! Nothing is verified: whoever pulls knows which keys they trust. What a signature says of itself is read, so that it can
//! be listed and found, and it must be about the manifest that it came for.

mod packets;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulpcore::storage::Algorithm;
use serde::Deserialize;

use self::packets::Message;
use crate::models::manifest_signature as signature;
use crate::registry::digest::Digest;

/// The largest signature, in bytes: they have about one KiB.
pub const LARGEST: usize = 64 << 10;

/// The kind of signature that there is, as the API calls it.
pub const ATOMIC: &str = "atomic";

/// The same, as the signed document calls it.
const DOCUMENT_TYPE: &str = "atomic container signature";

/// How many hexadecimal digits a signature's name has after the digest.
const NAME_LENGTH: usize = 32;

/// Why something is no signature: a sentence for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSignature(String);

fn bad(message: impl Into<String>) -> BadSignature {
    BadSignature(message.into())
}

/// What is signed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    critical: Critical,
    optional: Optional,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    image: Image,
    #[serde(rename = "identity")]
    _identity: Identity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    _reference: String,
}

#[derive(Deserialize)]
struct Optional {
    creator: Option<String>,
}

/// Reads a signature that came for a manifest: the row that it is kept as.
///
/// # Errors
/// [`BadSignature`] if it is too large, no OpenPGP message, signs no such document, or signs another manifest.
pub fn read(bytes: &[u8], manifest: &str) -> Result<signature::Model, BadSignature> {
    if bytes.len() > LARGEST {
        return Err(bad(format!("A signature has at most {LARGEST} bytes.")));
    }
    let Message { signed, key_id, fingerprint, created } = Message::read(bytes).map_err(bad)?;
    let Document { critical, optional } =
        serde_json::from_slice(&signed).map_err(|error| bad(format!("What is signed cannot be read: {error}.")))?;
    if critical.kind != DOCUMENT_TYPE {
        return Err(bad(format!("What is signed is of the type '{}', not '{DOCUMENT_TYPE}'.", critical.kind)));
    }
    if critical.image.digest != manifest {
        return Err(bad(format!("The signature is one of '{}', not of '{manifest}'.", critical.image.digest)));
    }
    let digest = Digest::of(Algorithm::Sha256, bytes);
    Ok(signature::Model {
        name: format!("{manifest}@{}", &digest.hex()[..NAME_LENGTH]),
        digest: digest.to_string(),
        kind: ATOMIC.to_owned(),
        key_id,
        fingerprint,
        timestamp: created,
        creator: optional.creator.unwrap_or_default(),
        data: STANDARD.encode(bytes),
        signed_digest: manifest.to_owned(),
        ..signature::Model::default()
    })
}

/// Whether this may be the name of a signature of a manifest: its digest, `@`, and 32 hexadecimal digits.
pub fn is_name(name: &str, manifest: &str) -> bool {
    let rest = name.strip_prefix(manifest).and_then(|rest| rest.strip_prefix('@'));
    let hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    rest.is_some_and(|rest| rest.len() == NAME_LENGTH && rest.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn document(kind: &str, digest: &str) -> String {
        format!(
            r#"{{"critical":{{"type":"{kind}","image":{{"docker-manifest-digest":"{digest}"}},"identity":{{"docker-reference":"host/a:1"}}}},"optional":{{"creator":"hand","timestamp":1}}}}"#
        )
    }

    #[test]
    fn a_signature_says_what_it_signs_by_which_key_and_when() {
        let bytes = packets::message(document(DOCUMENT_TYPE, MANIFEST).as_bytes());
        let row = read(&bytes, MANIFEST).unwrap();
        assert_eq!(
            (row.key_id.as_str(), row.timestamp, row.creator.as_str()),
            (packets::KEY_ID, 1_700_000_000, "hand")
        );
        assert_eq!(row.fingerprint.as_deref(), Some(packets::FINGERPRINT));
        assert!(is_name(&row.name, MANIFEST), "{}", row.name);
        assert_eq!(STANDARD.decode(&row.data).unwrap(), bytes);
    }

    #[test]
    fn what_signs_something_else_is_refused() {
        let of = |document: String| read(&packets::message(document.as_bytes()), MANIFEST).unwrap_err().to_string();
        assert!(of(document("another", MANIFEST)).contains("of the type 'another'"));
        assert!(of(document(DOCUMENT_TYPE, "sha256:bb")).contains("one of 'sha256:bb'"));
        assert!(of("{}".to_owned()).contains("missing field `critical`"));
        assert!(
            of(document(DOCUMENT_TYPE, MANIFEST).replace("\"optional\"", "\"more\":1,\"optional\"")).contains("more")
        );
        assert!(read(b"no message", MANIFEST).is_err());
        assert!(read(&vec![0; LARGEST + 1], MANIFEST).unwrap_err().to_string().contains("at most"));
    }

    #[test]
    fn a_name_is_the_digest_and_32_digits() {
        assert!(is_name(&format!("{MANIFEST}@{}", "0".repeat(32)), MANIFEST));
        for name in
            [MANIFEST.to_owned(), format!("{MANIFEST}@"), format!("{MANIFEST}@{}", "G".repeat(32)), "a@b".to_owned()]
        {
            assert!(!is_name(&name, MANIFEST), "{name}");
        }
    }
}
