//! OpenPGP (RFC 9580): public keys and what they prove, secret keys and what they sign.
//!
//! The packets, the numbers and the hashes are the `pgp` crate's. What is decided here is what it leaves to its callers: which
//! key of a certificate may sign, until when, and which hashes prove nothing any more.

use std::io::{self, Read, Seek};

use pgp::composed::{
    ArmorOptions, Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{
    Fingerprint, KeyDetails, KeyVersion, Password, SecretParams, SigningKey, Tag, Timestamp, VerifyingKey,
};

/// No text with keys is longer, in bytes.
pub(crate) const LONGEST_KEYS: usize = 1 << 20;
/// No signature is longer, in bytes.
pub const LONGEST_SIGNATURE: usize = 1 << 16;

/// No more keys of a text are read.
const MOST_KEYS: usize = 100;
/// No more signatures of one file are tried.
const MOST_SIGNATURES: usize = 16;
/// How far a signer's clock may be ahead of ours, in seconds.
const SKEW: u64 = 600;

const BEGIN_PUBLIC: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const BEGIN_PRIVATE: &str = "-----BEGIN PGP PRIVATE KEY BLOCK-----";

/// Why a signature proves nothing: a clause for whoever wants to know.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unproven {
    /// It cannot be read.
    #[error("the signature is none of OpenPGP")]
    Unreadable,
    /// None of the keys made it.
    #[error("the signature was made by another key, {0}")]
    OtherKey(String),
    /// It is of something else, or forged.
    #[error("the signature does not fit")]
    Wrong,
    /// It was made with a hash for which forgeries can be found.
    #[error("the signature was made with {0}, which proves nothing any more")]
    Weak(String),
    /// It said itself until when it is valid.
    #[error("the signature has expired")]
    Expired,
    /// It was made later than now.
    #[error("the signature was made in the future")]
    Future,
    /// Its key was not valid any more.
    #[error("the key {0} had expired when the signature was made")]
    KeyExpired(String),
    /// Its key was revoked.
    #[error("the key {0} was revoked")]
    KeyRevoked(String),
    /// Its key is for other things.
    #[error("the key {0} is not for signatures")]
    NotForSignatures(String),
    /// What is signed cannot be read.
    #[error("what is signed cannot be read")]
    Unread(#[source] io::Error),
}

/// Why a text holds no keys that can be used: a clause for whoever gave it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadKeys(&'static str);

/// Public keys: whoever has signed with one of them is trusted.
///
/// ```
/// use pulpcore::signing::PublicKeys;
///
/// assert_eq!(PublicKeys::parse("a key").unwrap_err().to_string(), "no OpenPGP public key in ASCII armour is in it");
/// ```
#[derive(Clone, Debug)]
pub struct PublicKeys(Vec<SignedPublicKey>);

impl PublicKeys {
    /// Reads keys in ASCII armour, in one block or several.
    ///
    /// # Errors
    /// [`BadKeys`] if there are none, or something else is among them.
    pub fn parse(text: &str) -> Result<Self, BadKeys> {
        if text.len() > LONGEST_KEYS {
            return Err(BadKeys("it is too long"));
        }
        if text.contains(BEGIN_PRIVATE) {
            return Err(BadKeys("a secret key is in it, which is nobody's to know"));
        }
        let damaged = |_| BadKeys("a public key in it is damaged, or of a kind that is not known");
        let mut keys = Vec::new();
        for (at, _) in text.match_indices(BEGIN_PUBLIC) {
            let block = text.get(at..).unwrap_or_default();
            for key in SignedPublicKey::from_string_many(block).map_err(damaged)?.0 {
                keys.push(key.map_err(damaged)?);
                if keys.len() > MOST_KEYS {
                    return Err(BadKeys("there are too many public keys in it"));
                }
            }
        }
        match keys.is_empty() {
            true => Err(BadKeys("no OpenPGP public key in ASCII armour is in it")),
            false => Ok(Self(keys)),
        }
    }

    /// The fingerprint of the only key, in upper-case hex.
    ///
    /// # Errors
    /// [`BadKeys`] if there are several.
    pub(crate) fn only(&self) -> Result<String, BadKeys> {
        match &self.0[..] {
            [key] => Ok(name(&key.fingerprint())),
            _ => Err(BadKeys("there are several public keys in it, of which one would sign")),
        }
    }

    /// Checks that one of the keys has signed `content`: the fingerprint of what signed it, in upper-case hex. The signature is
    /// a detached one, in ASCII armour or not; of several, one that holds is enough.
    ///
    /// Blocks while `content` is read.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn verify(&self, signature: &[u8], mut content: impl Read + Seek) -> Result<String, Unproven> {
        if signature.len() > LONGEST_SIGNATURE {
            return Err(Unproven::Unreadable);
        }
        let signatures = DetachedSignature::from_reader_many(signature).map_err(|_| Unproven::Unreadable)?.0;
        let mut why = Unproven::Unreadable;
        for signature in signatures.take(MOST_SIGNATURES) {
            let signature = signature.map_err(|_| Unproven::Unreadable)?.signature;
            match self.verify_one(&signature, &mut content) {
                Ok(fingerprint) => return Ok(fingerprint),
                Err(unproven) => why = unproven,
            }
        }
        Err(why)
    }

    fn verify_one(&self, signature: &Signature, content: &mut (impl Read + Seek)) -> Result<String, Unproven> {
        let (Some(hash), Some(created)) = (signature.hash_alg(), signature.created()) else {
            return Err(Unproven::Unreadable);
        };
        if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
            return Err(Unproven::Unreadable);
        }
        if matches!(hash, HashAlgorithm::Md5 | HashAlgorithm::Sha1 | HashAlgorithm::Ripemd160) {
            return Err(Unproven::Weak(hash.to_string()));
        }
        let now = seconds(Timestamp::now());
        if seconds(created) > now + SKEW {
            return Err(Unproven::Future);
        }
        let lasts = signature.signature_expiration_time().map(|lasts| u64::from(lasts.as_secs()));
        if lasts.is_some_and(|lasts| lasts > 0 && seconds(created) + lasts <= now) {
            return Err(Unproven::Expired);
        }
        let mut why = Unproven::OtherKey(issuer(signature));
        for certificate in &self.0 {
            let primary = &certificate.primary_key;
            if is_by(signature, primary) {
                match may_sign(certificate, None, created).and_then(|()| holds(signature, primary, content)) {
                    Ok(()) => return Ok(name(&primary.fingerprint())),
                    Err(unproven) => why = unproven,
                }
            }
            for subkey in certificate.public_subkeys.iter().filter(|subkey| is_by(signature, *subkey)) {
                match may_sign(certificate, Some(subkey), created).and_then(|()| holds(signature, subkey, content)) {
                    Ok(()) => return Ok(name(&subkey.fingerprint())),
                    Err(unproven) => why = unproven,
                }
            }
        }
        Err(why)
    }
}

/// Whether a signature holds of `content`, by a key.
fn holds(signature: &Signature, key: &impl VerifyingKey, content: &mut (impl Read + Seek)) -> Result<(), Unproven> {
    content.rewind().map_err(Unproven::Unread)?;
    signature.verify(key, content).map_err(|error| match error {
        pgp::errors::Error::IO { source, .. } => Unproven::Unread(source),
        _ => Unproven::Wrong,
    })
}

/// Whether a signature says that a key made it. One that says nothing may be of any.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let (ids, fingerprints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
    match fingerprints.is_empty() {
        false => fingerprints.contains(&&key.fingerprint()),
        true => ids.is_empty() || ids.contains(&&key.legacy_key_id()),
    }
}

/// Whose a signature says that it is.
fn issuer(signature: &Signature) -> String {
    let (ids, fingerprints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
    let id = ids.first().map(hex::encode_upper);
    fingerprints
        .first()
        .map(|fingerprint| name(fingerprint))
        .or(id)
        .unwrap_or_else(|| "which it does not name".to_owned())
}

/// Refuses a key that may not have signed at a time: the primary key of a certificate, or a subkey of it.
///
/// What a certificate says of its primary key is believed without a signature, too: whoever trusts it has named the key itself.
fn may_sign(certificate: &SignedPublicKey, subkey: Option<&SignedPublicSubKey>, at: Timestamp) -> Result<(), Unproven> {
    let primary = &certificate.primary_key;
    let own = name(&primary.fingerprint());
    let details = &certificate.details;
    if details.revocation_signatures.iter().any(|revocation| revocation.verify_key(primary).is_ok()) {
        return Err(Unproven::KeyRevoked(own));
    }
    let direct = details.direct_signatures.iter().filter(|one| one.verify_key(primary).is_ok());
    let of_users = details.users.iter().flat_map(|user| {
        let own = |one: &&Signature| {
            one.typ() != Some(SignatureType::CertRevocation)
                && one.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        user.signatures.iter().filter(own)
    });
    let newest = newest(direct.chain(of_users));
    if has_expired(newest, primary.created_at(), at) {
        return Err(Unproven::KeyExpired(own));
    }
    let Some(subkey) = subkey else {
        let flags = newest.map(Signature::key_flags).unwrap_or_default();
        return match flags.sign() || flags == KeyFlags::default() {
            true => Ok(()),
            false => Err(Unproven::NotForSignatures(own)),
        };
    };
    let own = name(&subkey.fingerprint());
    let bound = subkey.signatures.iter().filter(|one| one.verify_subkey_binding(primary, &subkey.key).is_ok());
    let (revoked, bound): (Vec<_>, Vec<_>) = bound.partition(|one| one.typ() == Some(SignatureType::SubkeyRevocation));
    if !revoked.is_empty() {
        return Err(Unproven::KeyRevoked(own));
    }
    let newest = self::newest(bound.into_iter());
    // The subkey says that it belongs to the primary key, as the primary key says of it.
    let agrees = |binding: &Signature| {
        let back = binding.embedded_signature();
        back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok())
    };
    match newest {
        Some(binding) if binding.key_flags().sign() && agrees(binding) => {}
        _ => return Err(Unproven::NotForSignatures(own)),
    }
    match has_expired(newest, subkey.created_at(), at) {
        true => Err(Unproven::KeyExpired(own)),
        false => Ok(()),
    }
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

/// Whether a key had expired at a time, by what its newest binding says.
fn has_expired(binding: Option<&Signature>, created: Timestamp, at: Timestamp) -> bool {
    let lasts = binding.and_then(Signature::key_expiration_time).map_or(0, |lasts| u64::from(lasts.as_secs()));
    // Section 5.2.3.13: zero, and no such thing, mean never.
    lasts > 0 && seconds(created) + lasts <= seconds(at)
}

fn seconds(time: Timestamp) -> u64 {
    time.as_secs().into()
}

/// A key's fingerprint, in upper-case hex.
fn name(fingerprint: &Fingerprint) -> String {
    format!("{fingerprint:X}")
}

/// A secret key. Its `Debug` shows nothing of it.
pub(crate) struct SecretKey(SignedSecretKey);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SecretKey").field(&name(&self.0.fingerprint())).finish()
    }
}

impl SecretKey {
    /// Reads a secret key in ASCII armour.
    ///
    /// # Errors
    /// [`BadKeys`] if there is none, or it cannot sign: it has expired, it is for other things, it is locked.
    pub(crate) fn parse(text: &str) -> Result<Self, BadKeys> {
        let unreadable = || BadKeys("no OpenPGP secret key in ASCII armour is in it");
        let at = text.find(BEGIN_PRIVATE).ok_or_else(unreadable)?;
        let block = text.get(at..).unwrap_or_default();
        let (key, _) = SignedSecretKey::from_string(block).map_err(|_| unreadable())?;
        let key = Self(key);
        key.signer()?;
        Ok(key)
    }

    /// Its public part, in ASCII armour.
    pub(crate) fn public_key(&self) -> Result<String, BadKeys> {
        let armoured = self.0.to_public_key().to_armored_string(ArmorOptions::default());
        armoured.map_err(|_| BadKeys("its public part cannot be written"))
    }

    /// A detached signature of `content`, in ASCII armour.
    ///
    /// Blocks while `content` is read.
    ///
    /// # Errors
    /// If `content` cannot be read.
    pub(crate) fn sign(&self, content: impl Read) -> io::Result<String> {
        let signature = match self.signer().map_err(io::Error::other)? {
            None => detached(&self.0.primary_key, content),
            Some(nth) => detached(&self.0.secret_subkeys[nth].key, content),
        };
        let armoured = signature.and_then(|signature| signature.to_armored_string(ArmorOptions::default()));
        armoured.map_err(|error| match error {
            pgp::errors::Error::IO { source, .. } => source,
            other => io::Error::other(other),
        })
    }

    /// Which key signs: a subkey, by its number, rather than the primary key.
    fn signer(&self) -> Result<Option<usize>, BadKeys> {
        let (public, now) = (self.0.to_public_key(), Timestamp::now());
        let (mut why, mut locked) = (None, false);
        let subkeys = self.0.secret_subkeys.iter().enumerate().rev().map(Some);
        for subkey in subkeys.chain([None]) {
            let (own, secret) = match subkey {
                Some((_, subkey)) => (Some(subkey.signed_public_key()), subkey.key.secret_params()),
                None => (None, self.0.primary_key.secret_params()),
            };
            match may_sign(&public, own.as_ref(), now) {
                Ok(()) if matches!(secret, SecretParams::Encrypted(_)) => locked = true,
                Ok(()) => return Ok(subkey.map(|(nth, _)| nth)),
                Err(unproven) => why = Some(unproven),
            }
        }
        Err(BadKeys(match why {
            _ if locked => "the secret key in it is locked by a passphrase; export it without one",
            Some(Unproven::KeyExpired(_)) => "the secret key in it has expired",
            Some(Unproven::KeyRevoked(_)) => "the secret key in it was revoked",
            _ => "the secret key in it is not for signatures",
        }))
    }
}

fn detached(key: &impl SigningKey, content: impl Read) -> pgp::errors::Result<DetachedSignature> {
    let (algorithm, hash) = (key.algorithm(), key.hash_alg());
    let regular = Subpacket::regular;
    let mut config = match key.version() {
        KeyVersion::V6 => {
            let salt = (0..hash.salt_len().unwrap_or_default()).map(|_| rand::random()).collect();
            SignatureConfig::v6_with_salt(SignatureType::Binary, algorithm, hash, salt)
        }
        _ => SignatureConfig::v4(SignatureType::Binary, algorithm, hash),
    };
    config.hashed_subpackets = vec![
        regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        regular(SubpacketData::SignatureCreationTime(Timestamp::now()))?,
    ];
    if key.version() == KeyVersion::V4 {
        config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    }
    Ok(DetachedSignature::new(config.sign(key, &Password::empty(), content)?))
}
