//! What proves something and what does not; services as an operator adds and removes them.

use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use pgp::composed::{DetachedSignature, KeyType};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, Password, SignedUser, SigningKey, Tag, Timestamp};
use sea_orm::EntityTrait;
use tempfile::TempDir;

use super::openpgp::SecretKey;
use super::testing::OpenPgpKey;
use super::{Means, PublicKeys, add, all, remove};
use crate::models::signing_service;
use crate::sample::{Sample, on_both};

impl OpenPgpKey {
    /// The same key, which says that it is valid for so many seconds after it was made.
    fn for_seconds(mut self, seconds: u32) -> Self {
        let key = &self.0.primary_key;
        let user = self.0.details.users.remove(0);
        let created = SubpacketData::SignatureCreationTime(key.created_at());
        let lasts = SubpacketData::KeyExpirationTime(pgp::types::Duration::from_secs(seconds));
        let config = about_itself(key, SignatureType::CertPositive, &[created, lasts]);
        let signature = config.sign_certification(key, key.public_key(), &Password::empty(), Tag::UserId, &user.id);
        let signature = signature.unwrap();
        self.0.details.users = vec![SignedUser::new(user.id, vec![signature])];
        self
    }

    /// The same key, revoked.
    fn revoked(mut self) -> Self {
        let key = &self.0.primary_key;
        let created = SubpacketData::SignatureCreationTime(Timestamp::now());
        let config = about_itself(key, SignatureType::KeyRevocation, &[created]);
        let revocation = config.sign_key(key, &Password::empty(), key.public_key()).unwrap();
        self.0.details.revocation_signatures.push(revocation);
        self
    }
}

/// A signature of a primary key about itself.
fn about_itself(key: &impl SigningKey, kind: SignatureType, parts: &[SubpacketData]) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), key.hash_alg());
    let issuer = SubpacketData::IssuerFingerprint(key.fingerprint());
    let parts = [issuer].into_iter().chain(parts.iter().cloned());
    config.hashed_subpackets = parts.map(|part| Subpacket::regular(part).unwrap()).collect();
    config
}

/// What a key says of a signature of `text`: nothing, or why it proves nothing.
fn said(keys: &str, signature: &str, text: &str) -> String {
    let keys = PublicKeys::parse(keys).unwrap();
    keys.verify(signature.as_bytes(), Cursor::new(text)).map_or_else(|why| why.to_string(), |_| String::new())
}

#[test]
fn a_signature_is_proven_by_its_key_and_of_its_content_alone() {
    let (key, other) = (OpenPgpKey::generate(), OpenPgpKey::generate());
    let signature = key.sign("text");
    assert_eq!(said(&key.public_key(), &signature, "text"), "");
    assert_eq!(said(&format!("{}\n{}", other.public_key(), key.public_key()), &signature, "text"), "");
    assert_eq!(said(&key.public_key(), &signature, "Text"), "the signature does not fit");
    assert!(said(&other.public_key(), &signature, "text").starts_with("the signature was made by another key, "));
    for none in ["", "text", &signature[..signature.len() / 2], &key.public_key()] {
        assert_eq!(said(&key.public_key(), none, "text"), "the signature is none of OpenPGP", "{none}");
    }
}

#[test]
fn the_subkey_signs_and_its_fingerprint_is_told() {
    let key = OpenPgpKey::generate();
    let keys = PublicKeys::parse(&key.public_key()).unwrap();
    let signer = keys.verify(key.sign("text").as_bytes(), Cursor::new("text")).unwrap();
    assert_ne!(signer, key.fingerprint());
    assert_eq!(keys.only().unwrap(), key.fingerprint());
    let alone = OpenPgpKey::made(|key| {
        key.subkeys(Vec::new());
    });
    let keys = PublicKeys::parse(&alone.public_key()).unwrap();
    assert_eq!(keys.verify(alone.sign("text").as_bytes(), Cursor::new("text")).unwrap(), alone.fingerprint());
}

#[test]
fn a_key_that_expired_or_was_revoked_proves_nothing_and_signs_nothing() {
    let old = OpenPgpKey::made(|key| {
        key.created_at(Timestamp::from_secs(1_000_000_000));
    });
    let signature = old.sign("text");
    assert_eq!(said(&old.public_key(), &signature, "text"), "");
    let expired = old.clone().for_seconds(1000);
    assert!(said(&expired.public_key(), &signature, "text").ends_with("had expired when the signature was made"));
    assert!(SecretKey::parse(&expired.secret_key()).unwrap_err().to_string().contains("has expired"));
    let valid = old.clone().for_seconds(u32::MAX);
    assert_eq!(said(&valid.public_key(), &signature, "text"), "");
    let revoked = old.revoked();
    assert!(said(&revoked.public_key(), &signature, "text").ends_with("was revoked"));
    assert!(SecretKey::parse(&revoked.secret_key()).unwrap_err().to_string().contains("was revoked"));
}

#[test]
fn a_hash_for_which_forgeries_are_known_proves_nothing() {
    // Keys of other kinds do not even sign so.
    let key = OpenPgpKey::made(|key| {
        key.key_type(KeyType::Rsa(2048)).subkeys(Vec::new());
    });
    let sign = |hash| {
        let rng = argon2::password_hash::rand_core::OsRng;
        let (key, text) = (&key.0.primary_key, Cursor::new("text"));
        let signature = DetachedSignature::sign_binary_data(rng, key, &Password::empty(), hash, text).unwrap();
        signature.to_armored_string(Default::default()).unwrap()
    };
    assert_eq!(said(&key.public_key(), &sign(HashAlgorithm::Sha256), "text"), "");
    let weak = said(&key.public_key(), &sign(HashAlgorithm::Sha1), "text");
    assert_eq!(weak, "the signature was made with SHA1, which proves nothing any more");
}

#[test]
fn texts_without_usable_keys_are_refused_with_the_reason() {
    let key = OpenPgpKey::generate();
    let public = |text: &str| PublicKeys::parse(text).unwrap_err().to_string();
    assert!(public("").contains("no OpenPGP public key"));
    assert!(public(&key.secret_key()).contains("a secret key is in it"));
    assert!(public(&key.public_key()[..200]).contains("damaged"));
    assert!(public(&"x".repeat(2 << 20)).contains("too long"));
    let secret = |text: &str| SecretKey::parse(text).unwrap_err().to_string();
    assert!(secret(&key.public_key()).contains("no OpenPGP secret key"));
    let locked = OpenPgpKey::made(|key| {
        key.passphrase(Some("hunter2".to_owned())).subkeys(Vec::new());
    });
    assert!(secret(&locked.secret_key()).contains("locked by a passphrase"));
    let certifying = OpenPgpKey::made(|key| {
        key.can_sign(false).subkeys(Vec::new());
    });
    assert!(secret(&certifying.secret_key()).contains("not for signatures"));
}

/// A folder with a key, its parts in files, and scripts.
struct Desk {
    folder: TempDir,
    key: OpenPgpKey,
}

impl Desk {
    fn new() -> Self {
        let (folder, key) = (tempfile::tempdir().unwrap(), OpenPgpKey::generate());
        std::fs::write(folder.path().join("secret.asc"), key.secret_key()).unwrap();
        std::fs::write(folder.path().join("public.asc"), key.public_key()).unwrap();
        std::fs::write(folder.path().join("sample.asc"), key.sign("arbitrary data")).unwrap();
        std::fs::write(folder.path().join("other.asc"), key.sign("something else")).unwrap();
        Self { folder, key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self) -> Means {
        Means::SecretKey(self.path("secret.asc"))
    }

    /// A service by a script of these lines.
    fn script(&self, lines: &str) -> Means {
        let script = self.path("sign.sh");
        let text = format!("#!/bin/sh\nDESK={}\n{lines}\n", self.folder.path().display());
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        Means::Script { script, public_key: self.path("public.asc") }
    }
}

const LIMIT: Duration = Duration::from_secs(60);

/// A script that does as it should.
const HONEST: &str = r#"cp $DESK/sample.asc $1.asc; echo "{\"file\": \"$1\", \"signature\": \"$1.asc\"}""#;

async fn refused(sample: &Sample, means: &Means, limit: Duration) -> String {
    let error = add(&sample.app.db, "refused", means, limit).await.unwrap_err().to_string();
    assert_eq!(all(&sample.app.db).await.unwrap(), [], "{error}");
    error
}

on_both!(a_service_is_added_once_it_has_signed, |sample| {
    let desk = Desk::new();
    let db = &sample.app.db;
    let own = add(db, "own", &desk.secret(), LIMIT).await.unwrap();
    let by_script = add(db, "by script", &desk.script(HONEST), LIMIT).await.unwrap();
    for row in [&own, &by_script] {
        assert_eq!(row.pubkey_fingerprint, desk.key.fingerprint());
        assert_eq!(row.public_key, desk.key.public_key());
    }
    assert_eq!((own.script.as_str(), by_script.secret_key), ("", None));
    let stored = signing_service::Entity::find().all(db.read()).await.unwrap();
    assert!(!format!("{stored:?}").contains("PRIVATE KEY"));
    let again = add(db, "own", &desk.secret(), LIMIT).await.unwrap_err().to_string();
    assert!(again.starts_with("there is a signing service 'own' already"), "{again}");
    remove(db, "own").await.unwrap();
    assert_eq!(remove(db, "own").await.unwrap_err().to_string(), "there is no signing service 'own'");
    assert_eq!(all(db).await.unwrap().len(), 1);
});

on_both!(a_service_that_does_not_sign_is_not_added, |sample| {
    let desk = Desk::new();
    for (lines, reason) in [
        ("echo 'no card' >&2; exit 3", "its script failed with exit status: 3: no card"),
        ("true", "its script did not say, in JSON"),
        ("echo '{\"signature\": \"nowhere.asc\"}'", "left no signature"),
        ("touch empty; echo '{\"signature\": \"empty\"}'", "left no signature"),
        ("echo text > plain; echo '{\"signature\": \"plain\"}'", "not in ASCII armour"),
        ("cp $DESK/other.asc $1.asc; echo \"{\\\"signature\\\": \\\"$1.asc\\\"}\"", "the signature does not fit"),
        ("yes", "its script did not say, in JSON"),
    ] {
        let error = refused(&sample, &desk.script(lines), LIMIT).await;
        assert!(error.contains(reason), "{lines}: {error}");
    }
    let error = refused(&sample, &desk.script("sleep 3600 & wait"), Duration::ZERO).await;
    assert!(error.contains("its script did not end within 0 seconds"), "{error}");
});

on_both!(what_cannot_be_used_is_refused_by_its_name, |sample| {
    let desk = Desk::new();
    let missing = refused(&sample, &Means::SecretKey(desk.path("nothing.asc")), LIMIT).await;
    assert!(missing.contains("nothing.asc cannot be read: "), "{missing}");
    let public = refused(&sample, &Means::SecretKey(desk.path("public.asc")), LIMIT).await;
    assert!(public.contains("public.asc cannot be used: no OpenPGP secret key"), "{public}");
    let script = desk.path("sample.asc");
    let swapped = Means::Script { script: script.clone(), public_key: desk.path("secret.asc") };
    assert!(refused(&sample, &swapped, LIMIT).await.contains("a secret key is in it"));
    let not_a_script = Means::Script { script, public_key: desk.path("public.asc") };
    assert!(refused(&sample, &not_a_script, LIMIT).await.contains("its script cannot be started"));
});

on_both!(a_script_is_told_the_key_and_none_of_the_servers_secrets, |sample| {
    let desk = Desk::new();
    let means = desk.script(&format!("env > $DESK/env; {HONEST}"));
    add(&sample.app.db, "told", &means, LIMIT).await.unwrap();
    let environment = std::fs::read_to_string(desk.path("env")).unwrap();
    assert!(environment.contains(&format!("PULP_SIGNING_KEY_FINGERPRINT={}\n", desk.key.fingerprint())));
    assert_eq!(environment.lines().filter(|line| line.starts_with("PULP_")).count(), 1, "{environment}");
});
