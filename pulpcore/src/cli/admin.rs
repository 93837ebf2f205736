//! `migrate` and `reset-admin-password`.

use std::io::{self, IsTerminal, Read, Write};

use clap::Args;

use super::{Places, block_on, say};
use crate::error::{Error, Result};
use crate::{auth, migrate, server};

/// More than this is not a password.
const LONGEST_PASSWORD: u64 = 4096;

/// The flags of `migrate`.
#[derive(Args, Debug)]
pub(super) struct Migrate {
    /// Only say what is pending, and fail if something is
    #[arg(long)]
    check: bool,
}

impl Migrate {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let settings = places.load()?.settings;
        let _lock = if self.check { None } else { server::Lock::take(&settings)? };
        block_on(async {
            let db = server::connect(&settings).await?;
            if self.check {
                let pending = migrate::check(&db, server::apps()).await?;
                return match pending.is_empty() {
                    true => say("The database is up to date."),
                    false => Err(Error::Config(format!("these migrations are pending: {}", pending.join(", ")))),
                };
            }
            let report = server::bring_up_to_date(&db).await?;
            for name in &report.applied {
                say(format_args!("applied {name}"))?;
            }
            for label in &report.absent {
                say(format_args!("left alone: data of '{label}', a plugin that this build lacks"))?;
            }
            say("The database is up to date.")?;
            db.close().await
        })
    }
}

/// The flags of `reset-admin-password`.
#[derive(Args, Debug)]
pub(super) struct ResetAdminPassword {
    /// Whose password
    #[arg(long, default_value = auth::ADMIN, value_name = "NAME")]
    user: String,
    /// The new password; others can see it in the list of processes, so rather use --stdin
    #[arg(long, short, value_name = "PASSWORD", conflicts_with_all = ["stdin", "random"])]
    password: Option<String>,
    /// Read the new password from standard input (the default unless that is a terminal)
    #[arg(long)]
    stdin: bool,
    /// Make up a password and print it (the default on a terminal)
    #[arg(long, conflicts_with = "stdin")]
    random: bool,
}

impl ResetAdminPassword {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let settings = places.load()?.settings;
        let is_random = self.random || !self.stdin && self.password.is_none() && io::stdin().is_terminal();
        let password = match (self.password, is_random) {
            (Some(password), _) => password,
            (None, true) => auth::random_password(),
            (None, false) => read_password(io::stdin())?,
        };
        if password.is_empty() {
            return Err(Error::Config("the password is empty".to_owned()));
        }
        block_on(async {
            let db = super::open(&settings).await?;
            if self.user == auth::ADMIN {
                auth::ensure_admin(&db, Some(&password)).await?;
            }
            auth::set_password(&db, &self.user, &password).await?;
            db.close().await
        })?;
        if is_random {
            return say(password);
        }
        writeln!(io::stderr(), "The password of '{}' is changed.", self.user)?;
        Ok(())
    }
}

/// The first line, without its end.
fn read_password(from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(LONGEST_PASSWORD).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_ends_with_its_line() {
        assert_eq!(read_password(&b"a b \nmore"[..]).unwrap(), "a b ");
        assert_eq!(read_password(&b""[..]).unwrap(), "");
    }
}
