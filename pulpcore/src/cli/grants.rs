//! `content-grants`.

use clap::Args;

use super::say;
use crate::error::Result;
use crate::server::{Grants, grants};

/// The flags of `content-grants`.
#[derive(Args, Debug)]
pub(super) struct ContentGrants {
    /// The database role, which has to exist
    #[arg(long, value_name = "NAME", default_value = "pulp_content")]
    role: String,
    /// Not how remotes are reached: for content services with on_demand = "off"
    #[arg(long)]
    without_remotes: bool,
    /// Also the users with the hashes of their passwords: for guards that ask for a role
    #[arg(long)]
    with_users: bool,
}

impl ContentGrants {
    pub(super) fn run(self) -> Result<()> {
        let sql = grants(&Grants { role: self.role, remotes: !self.without_remotes, users: self.with_users })?;
        say(sql.trim_end())
    }
}
