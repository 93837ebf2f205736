//! `signing-services …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::table::table;
use super::{Places, block_on, open, say};
use crate::error::Result;
use crate::models::signing_service;
use crate::signing::{self, Means};

/// `signing-services …`.
#[derive(Debug, Subcommand)]
pub(super) enum SigningServices {
    /// Add a service, once it has shown that it can sign
    ///
    /// A service signs by a script, as in Pulp, or by the server itself with a secret key in a file. Every process that runs
    /// tasks must find the script, or the file, at the same path.
    ///
    /// A script gets the path of what it is to sign as its only argument and the fingerprint of the key in
    /// PULP_SIGNING_KEY_FINGERPRINT, writes a detached signature in ASCII armour, and says in JSON where that is:
    /// {"file": "repomd.xml", "signature": "repomd.xml.asc"}.
    Add(Add),
    /// The services, by their names
    List(List),
    /// Remove a service that nothing uses
    Remove(Remove),
}

/// The flags of `signing-services add`.
#[derive(Args, Debug)]
pub(super) struct Add {
    /// A name of its own
    name: String,
    /// The script that signs
    #[arg(long, value_name = "PATH", requires = "key_file", required_unless_present = "secret_key")]
    script: Option<PathBuf>,
    /// The public key that belongs to what the script signs with, in ASCII armour
    #[arg(long, value_name = "FILE", requires = "script")]
    key_file: Option<PathBuf>,
    /// The secret key that the server signs with, in ASCII armour and without a passphrase; it stays in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["script", "key_file"])]
    secret_key: Option<PathBuf>,
}

/// The flags of `signing-services list`.
#[derive(Args, Debug)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The flags of `signing-services remove`.
#[derive(Args, Debug)]
pub(super) struct Remove {
    /// Its name
    name: String,
}

impl SigningServices {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let settings = places.load()?.settings;
        block_on(async {
            let db = open(&settings).await?;
            match self {
                Self::Add(add) => {
                    let limit = Duration::from_secs(settings.signing_timeout);
                    let row = signing::add(&db, &add.name, &add.means(), limit).await?;
                    say(format_args!(
                        "The signing service '{}' signs with the key {}.",
                        row.name, row.pubkey_fingerprint
                    ))?;
                }
                Self::List(list) => say(list.text(&signing::all(&db).await?))?,
                Self::Remove(remove) => {
                    signing::remove(&db, &remove.name).await?;
                    say(format_args!("The signing service '{}' is removed.", remove.name))?;
                }
            }
            db.close().await
        })
    }
}

impl Add {
    fn means(&self) -> Means {
        match (&self.secret_key, &self.script, &self.key_file) {
            (None, Some(script), Some(key)) => Means::Script { script: script.clone(), public_key: key.clone() },
            (secret, ..) => Means::SecretKey(secret.clone().unwrap_or_default()),
        }
    }
}

impl List {
    fn text(&self, services: &[signing_service::Model]) -> String {
        if self.json {
            let service = |row: &signing_service::Model| {
                json!({
                    "name": row.name,
                    "pubkey_fingerprint": row.pubkey_fingerprint,
                    "script": (!row.script.is_empty()).then_some(&row.script),
                    "secret_key": row.secret_key,
                })
            };
            return format!("{:#}", services.iter().map(service).collect::<Value>());
        }
        if services.is_empty() {
            return "There are no signing services.".to_owned();
        }
        let row = |row: &signing_service::Model| {
            let by = row.secret_key.as_ref().unwrap_or(&row.script);
            [row.name.clone(), row.pubkey_fingerprint.clone(), by.clone()]
        };
        let rows: Vec<[String; 3]> = services.iter().map(row).collect();
        table(["NAME", "KEY", "BY"], &rows)
    }
}
