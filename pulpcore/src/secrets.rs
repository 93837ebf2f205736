//! Secrets at rest: passwords and keys of remotes, encrypted in the database.
//!
//! Tokens are Fernet (the specification in the `fernet/spec` repository: AES-128-CBC under HMAC-SHA256), and the key
//! file is Pulp's: one URL-safe base64 key of 32 bytes a line. The first key encrypts and all of them decrypt, so a key
//! is replaced by putting a new one on top, passing every stored token through [`Secrets::rotate`], and removing the
//! old one.
//!
//! ```
//! use pulpcore::secrets::Secrets;
//!
//! let secrets = Secrets::ephemeral();
//! let token = secrets.encrypt("hunter2");
//! assert!(token.starts_with("gAAAAA"));
//! assert_eq!(secrets.decrypt(&token)?, "hunter2");
//! # Ok::<(), pulpcore::error::Error>(())
//! ```

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use fernet::Fernet;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::settings::MASK;

/// More than this is not a key file.
const LARGEST_KEY_FILE: u64 = 64 * 1024;

/// The latest time that the library's own check for tokens from the future (its tolerance of 60 seconds added) can
/// hold.
const END_OF_TIME: u64 = u64::MAX - 60;

/// What a token begins with: the version, and the first bytes of a time.
const TOKEN: &str = "gAAAAA";
/// The length of the shortest token.
const SHORTEST_TOKEN: usize = 100;

/// A value without its secrets: what looks like a token, whatever key made it, is masked. Even so it is nobody's to read.
pub(crate) fn masked(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() >= SHORTEST_TOKEN && text.starts_with(TOKEN) => MASK.into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, masked(value))).collect(),
        other => other,
    }
}

/// Encrypts and decrypts secrets. Cheap to clone; `Debug` shows nothing.
#[derive(Clone)]
pub struct Secrets {
    /// The first encrypts. Empty only for who may not encrypt.
    keys: Arc<[Fernet]>,
}

impl Secrets {
    /// Reads the key file, or creates it with one new key (mode 0600, its folder 0700) if there is none. Of several
    /// processes that start together, one creates the file and all use it.
    ///
    /// Blocks; for start-up.
    ///
    /// # Errors
    /// [`Error::Config`] with a sentence if the file cannot be read or created, or holds anything but keys.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |what: &str, error: io::Error| {
            Error::Config(format!("the encryption key file {} cannot be {what}: {error}", path.display()))
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(|error| failed("created", error))?;
                read(path).map_err(|error| failed("read", error))?
            }
            Err(error) => return Err(failed("read", error)),
        };
        Self::parse(&text)
            .map_err(|problem| Error::Config(format!("the encryption key file {} {problem}", path.display())))
    }

    /// Reads the key file if there is one that may be read, and makes none: for a process that encrypts nothing. Without
    /// keys, whatever is stored encrypted stays so.
    ///
    /// Blocks; for start-up.
    ///
    /// # Errors
    /// [`Error::Config`] if the file holds anything but keys.
    pub fn open_to_read(path: &Path) -> Result<Self> {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) => {
                tracing::info!(
                    path = %path.display(), %error,
                    "There is no encryption key: remotes with a password, a key or a proxy's password are not asked."
                );
                return Ok(Self { keys: Arc::new([]) });
            }
        };
        Self::parse(&text)
            .map_err(|problem| Error::Config(format!("the encryption key file {} {problem}", path.display())))
    }

    /// A new key that is never stored: whatever it encrypts is lost with this value. For tests.
    pub fn ephemeral() -> Self {
        let key = Fernet::new(&Fernet::generate_key()).expect("a generated key is a key");
        Self { keys: Arc::new([key]) }
    }

    /// Encrypts a secret. The same secret never gives the same token twice.
    pub fn encrypt(&self, secret: &str) -> String {
        let first =
            self.keys.first().expect("only the content service alone goes without keys, and it stores no secrets");
        first.encrypt(secret.as_bytes())
    }

    /// Decrypts a token.
    ///
    /// # Errors
    /// [`Error::Internal`] if none of the keys made this token, or somebody changed it.
    pub fn decrypt(&self, token: &str) -> Result<String> {
        // A secret at rest does not expire, and the clock of the machine that wrote it may be ahead of ours.
        if self.keys.is_empty() {
            return Err(Error::internal("this process has no encryption key, which a stored secret needs"));
        }
        let found = self.keys.iter().find_map(|key| key.decrypt_at_time(token, None, END_OF_TIME).ok());
        let bytes = found.ok_or_else(|| Error::internal("no key in the encryption key file fits a stored secret"))?;
        String::from_utf8(bytes).map_err(|_| Error::internal("a stored secret is not UTF-8"))
    }

    /// The same secret under the first key.
    ///
    /// # Errors
    /// As [`Self::decrypt`].
    pub fn rotate(&self, token: &str) -> Result<String> {
        Ok(self.encrypt(&self.decrypt(token)?))
    }

    /// Reads keys, one a line; empty lines and lines that begin with `#` are skipped. The error completes "the file …".
    fn parse(text: &str) -> Result<Self, String> {
        let mut keys = Vec::new();
        for (nth, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // `openssl rand -base64 32`, which Pulp's manual recommends, writes the other base64 alphabet.
            let key = line.replace('+', "-").replace('/', "_");
            let key = Fernet::new(&key)
                .ok_or_else(|| format!("has no key in line {}: a key is 32 bytes in base64", nth + 1))?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err("holds no key; remove it to have one made, or restore the old one".to_owned());
        }
        Ok(Self { keys: keys.into() })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o004 != 0 {
        tracing::warn!(path = %path.display(), "Every user of this machine can read the encryption key file.");
    }
    let mut text = String::new();
    file.take(LARGEST_KEY_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a new key next to `path` and then gives it that name, unless another process was faster.
fn create(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let draft = folder.join(format!(".{}.new", uuid::Uuid::now_v7().simple()));
    let written = write_key(&draft).and_then(|()| match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    // The draft is either linked under its real name or of no use.
    let removed = std::fs::remove_file(&draft);
    written?;
    removed?;
    // The key must not be lost in a power cut after secrets were encrypted with it.
    File::open(folder)?.sync_all()
}

fn write_key(draft: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(format!("{}\n", Fernet::generate_key()).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `generate.json` of the Fernet specification: what every implementation must read.
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &str =
        "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    fn with_keys(text: &str) -> Result<Secrets> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.key");
        std::fs::write(&path, text).unwrap();
        Secrets::open(&path)
    }

    #[test]
    fn what_is_shown_has_no_secrets() {
        let value = serde_json::json!({ "name": "gAAAAA", "body": { "password": TOKEN, "all": [1, TOKEN] } });
        let shown = serde_json::json!({ "name": "gAAAAA", "body": { "password": MASK, "all": [1, MASK] } });
        assert_eq!(masked(value), shown);
    }

    #[test]
    fn a_missing_key_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/deep/database.key");
        let token = Secrets::open(&path).unwrap().encrypt("hunter2");
        assert!(!token.contains("hunter2"));
        assert_eq!(Secrets::open(&path).unwrap().decrypt(&token).unwrap(), "hunter2");

        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "a draft was left behind");
    }

    #[test]
    fn who_only_reads_makes_no_key_and_says_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/database.key");
        let error = Secrets::open_to_read(&path).unwrap().decrypt(TOKEN).unwrap_err();
        assert!(error.log().contains("has no encryption key"), "{}", error.log());
        assert!(!path.parent().unwrap().exists());
        let token = Secrets::open(&path).unwrap().encrypt("hunter2");
        assert_eq!(Secrets::open_to_read(&path).unwrap().decrypt(&token).unwrap(), "hunter2");
    }

    #[test]
    fn processes_that_start_together_share_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.key");
        let barrier = std::sync::Barrier::new(8);
        let all: Vec<Secrets> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                Secrets::open(&path).unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let token = all[0].encrypt("hunter2");
        assert!(all.iter().all(|secrets| secrets.decrypt(&token).unwrap() == "hunter2"));
    }

    #[test]
    fn tokens_are_those_of_the_specification() {
        assert_eq!(with_keys(KEY).unwrap().decrypt(TOKEN).unwrap(), "hello");
        let other_alphabet = KEY.replace('_', "/").replace('-', "+");
        assert_eq!(with_keys(&other_alphabet).unwrap().decrypt(TOKEN).unwrap(), "hello");
    }

    #[test]
    fn a_new_key_on_top_encrypts_while_the_old_one_still_decrypts() {
        let new = Fernet::generate_key();
        let both = with_keys(&format!("# since spring\n{new}\n\n{KEY}\n")).unwrap();
        let (old_only, new_only) = (with_keys(KEY).unwrap(), with_keys(&new).unwrap());

        assert_eq!(both.decrypt(TOKEN).unwrap(), "hello");
        let rotated = both.rotate(TOKEN).unwrap();
        assert_eq!(new_only.decrypt(&rotated).unwrap(), "hello");
        assert!(old_only.decrypt(&rotated).is_err());
    }

    #[test]
    fn a_token_from_a_machine_whose_clock_is_ahead_is_read() {
        let key = Fernet::new(KEY).unwrap();
        let tomorrow = (time::OffsetDateTime::now_utc() + time::Duration::DAY).unix_timestamp();
        let token = key.encrypt_at_time(b"hello", u64::try_from(tomorrow).unwrap());
        assert_eq!(with_keys(KEY).unwrap().decrypt(&token).unwrap(), "hello");
    }

    #[test]
    fn a_token_that_was_changed_or_is_another_keys_is_refused_and_not_repeated() {
        let secrets = Secrets::ephemeral();
        let changed = TOKEN.replace("021c", "021d");
        for (secrets, token) in [(&secrets, TOKEN), (&with_keys(KEY).unwrap(), &changed), (&secrets, "hunter2")] {
            let error = secrets.decrypt(token).unwrap_err();
            assert_eq!(error.to_string(), "Internal error.");
            assert!(!error.log().contains(token), "{}", error.log());
        }
    }

    #[test]
    fn a_file_that_holds_no_keys_is_refused_with_a_sentence() {
        for (text, said) in [
            ("", "holds no key"),
            ("# nothing\n", "holds no key"),
            ("hunter2\n", "has no key in line 1"),
            (&format!("{KEY}\nc2hvcnQ=\n"), "has no key in line 2"),
        ] {
            let error = with_keys(text).unwrap_err();
            assert!(matches!(error, Error::Config(_)));
            assert!(error.to_string().contains(said), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let error = Secrets::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secrets::ephemeral()), "Secrets");
    }
}
