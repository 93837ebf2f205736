//! Keys for tests, made while they run.

use std::io::Cursor;

use argon2::password_hash::rand_core::OsRng;
use pgp::composed::{
    ArmorOptions, EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::types::KeyDetails;

use super::openpgp::SecretKey;

/// An OpenPGP key that signs by a subkey, without a passphrase and without an end.
#[derive(Clone, Debug)]
pub struct OpenPgpKey(pub(super) SignedSecretKey);

impl OpenPgpKey {
    /// A new one.
    ///
    /// # Panics
    /// If none can be made; so do all methods when something goes wrong.
    pub fn generate() -> Self {
        Self::made(|_| {})
    }

    pub(super) fn made(change: impl FnOnce(&mut SecretKeyParamsBuilder)) -> Self {
        let kind = KeyType::Ed25519Legacy;
        let mut subkey = SubkeyParamsBuilder::default();
        subkey.key_type(kind.clone()).can_sign(true).can_encrypt(EncryptionCaps::None);
        let mut key = SecretKeyParamsBuilder::default();
        key.key_type(kind).can_certify(true).can_sign(true).can_encrypt(EncryptionCaps::None);
        key.primary_user_id("Keeper <keeper@example.test>".to_owned());
        key.subkeys(vec![subkey.build().expect("a subkey is described")]);
        change(&mut key);
        Self(key.build().expect("a key is described").generate(OsRng).expect("a key can be made"))
    }

    /// The secret key, in ASCII armour.
    pub fn secret_key(&self) -> String {
        self.0.to_armored_string(ArmorOptions::default()).expect("a key can be written")
    }

    /// The public key, in ASCII armour.
    pub fn public_key(&self) -> String {
        self.0.to_public_key().to_armored_string(ArmorOptions::default()).expect("a key can be written")
    }

    /// The fingerprint of its primary key, in upper-case hex.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.0.fingerprint())
    }

    /// A detached signature, in ASCII armour.
    pub fn sign(&self, content: impl AsRef<[u8]>) -> String {
        let key = SecretKey::parse(&self.secret_key()).expect("the key can sign");
        key.sign(Cursor::new(content)).expect("it signs")
    }
}
