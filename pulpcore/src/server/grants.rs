//! What a database role needs for the content service, from one list.
//!
//! A process that only serves content reads these tables and writes none. Where a table holds what it need not know, it may
//! read some of the columns only. Names of tables outside the core come from the plugins: the tables of their nouns, those of
//! remotes only where they are asked, and what they register as [`ContentReads`].

use std::collections::BTreeSet;

use sea_orm::FromQueryResult;

use super::apps;
use crate::db::{Db, rows};
use crate::error::{Error, Result};
use crate::plugin::{ContentReads, Family};
use crate::registry;

/// PostgreSQL's bound for names, in bytes.
const LONGEST_NAME: usize = 63;

/// For whom, and what the content service is to be able to do.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    /// The database role.
    pub(crate) role: String,
    /// Whether it fetches from remotes: then it reads how to reach them, with passwords that are encrypted and headers that
    /// are not.
    pub(crate) remotes: bool,
    /// Whether it checks users: then it reads the hashes of their passwords. Guards by role need that.
    pub(crate) users: bool,
}

/// A table, and the columns of it, or all if none is named.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reads {
    table: String,
    columns: &'static [&'static str],
}

/// What is always read of the core. Distributions first, as a request does.
const CORE: [(&str, &[&str]); 15] = [
    ("core_distribution", &[]),
    ("core_distributedpublication", &[]),
    ("core_publication", &[]),
    ("core_repositoryversion", &[]),
    ("core_publishedartifact", &[]),
    ("core_publishedmetadata", &[]),
    ("core_contentartifact", &[]),
    ("core_repositorycontent", &[]),
    ("core_artifact", &[]),
    // For guards,
    ("core_contentguard", &[]),
    ("core_compositecontentguard_guards", &[]),
    ("core_rbaccontentguard_downloaders", &[]),
    // for listings,
    ("core_content", &[]),
    // and for the rights of plugins.
    ("core_repository", &[]),
    // The settings of a domain's storage are secret.
    ("core_domain", &["pulp_id", "name"]),
];

const REMOTES: [(&str, &[&str]); 2] = [("core_remote", &[]), ("core_remoteartifact", &[])];

/// Listings show the sizes of files that only remotes have.
const NO_REMOTES: (&str, &[&str]) = ("core_remoteartifact", &["content_artifact_id", "size"]);

const USERS: (&str, &[&str]) = ("auth_user", &["id", "username", "password", "is_active", "is_staff", "is_superuser"]);

impl Grants {
    fn reads(&self) -> Vec<Reads> {
        let mut core = CORE.to_vec();
        match self.remotes {
            true => core.extend(REMOTES),
            false => core.push(NO_REMOTES),
        }
        if self.users {
            core.push(USERS);
        }
        let core = core.into_iter().map(|(table, columns)| Reads { table: table.to_owned(), columns });
        let labels = apps().into_iter().map(|app| app.label).chain([crate::migrate::App::CORE]);
        let mut plugins: BTreeSet<String> = labels.map(|label| format!("{label}_migrations")).collect();
        let nouns = registry::get().nouns().iter().filter(|noun| self.remotes || noun.family != Family::Remote);
        plugins.extend(nouns.map(|noun| (noun.table)().name));
        let own = inventory::iter::<ContentReads>().flat_map(|reads| reads.tables);
        plugins.extend(own.map(|table| (*table).to_owned()));
        core.chain(plugins.into_iter().map(|table| Reads { table, columns: &[] })).collect()
    }
}

/// The statements, for who owns the tables. Running them again takes back what is not needed any more.
///
/// # Errors
/// [`Error::Config`] for a name that no role can have.
pub(crate) fn grants(grants: &Grants) -> Result<String> {
    let role = quoted(&grants.role)?;
    let (whole, parts): (Vec<_>, Vec<_>) = grants.reads().into_iter().partition(|reads| reads.columns.is_empty());
    let whole: Vec<_> = whole.iter().map(|reads| format!("    {}", reads.table)).collect();
    let mut sql = format!(
        "-- What the content service reads, and nothing else. Run it in the server's database as who owns the tables, once\n\
         -- the role is there (CREATE ROLE {role} LOGIN PASSWORD '...'), and again after each upgrade.\n\
         BEGIN;\n\
         REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role};\n\
         GRANT USAGE ON SCHEMA public TO {role};\n\
         GRANT SELECT ON\n{}\n    TO {role};\n",
        whole.join(",\n")
    );
    for Reads { table, columns } in parts {
        sql.push_str(&format!("GRANT SELECT ({}) ON {table} TO {role};\n", columns.join(", ")));
    }
    sql.push_str("COMMIT;\n");
    Ok(sql)
}

/// The tables that this process would have to read and may not, by name. One that does not exist is nobody's to grant.
pub(super) async fn missing(db: &Db, remotes: bool) -> Result<Vec<String>> {
    #[derive(FromQueryResult)]
    struct Row {
        name: String,
    }
    let may = |Reads { table, columns }: Reads| {
        let may = match columns {
            [] => "has_table_privilege(to_regclass(name), 'SELECT')".to_owned(),
            columns => {
                let each = columns
                    .iter()
                    .map(|column| format!("has_column_privilege(to_regclass(name), '{column}', 'SELECT')"));
                each.collect::<Vec<_>>().join(" AND ")
            }
        };
        format!("SELECT name FROM (SELECT '{table}' AS name) AS one WHERE NOT ({may})")
    };
    let role = Grants { role: String::new(), remotes, users: false };
    let each: Vec<_> = role.reads().into_iter().map(may).collect();
    let rows = rows::<Row>(db.read(), &each.join(" UNION ALL "), Vec::new()).await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

fn quoted(role: &str) -> Result<String> {
    if role.is_empty() || role.len() > LONGEST_NAME || role.chars().any(char::is_control) {
        return Err(Error::Config("the name of a role has 1 to 63 bytes and no control characters".to_owned()));
    }
    Ok(format!("\"{}\"", role.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(remotes: bool, users: bool) -> String {
        grants(&Grants { role: "pulp_content".to_owned(), remotes, users }).unwrap()
    }

    #[test]
    fn secrets_are_granted_only_where_they_are_asked_for() {
        let least = of(false, false);
        for secret in ["auth_user", "core_remote,", "core_remote\n", "storage_settings"] {
            assert!(!least.contains(secret), "{secret}: {least}");
        }
        assert!(least.contains("GRANT SELECT (pulp_id, name) ON core_domain TO \"pulp_content\";"), "{least}");
        assert!(least.contains("GRANT SELECT (content_artifact_id, size) ON core_remoteartifact"), "{least}");
        assert!(of(true, false).contains("    core_remote,\n"));
        assert!(of(false, true).contains("GRANT SELECT (id, username, password,"));
    }

    #[test]
    fn nothing_is_granted_but_reading() {
        let sql = of(true, true);
        let granted = sql.lines().filter(|line| line.starts_with("GRANT"));
        assert!(granted.clone().count() > 2);
        for line in granted {
            assert!(line.starts_with("GRANT SELECT") || line.starts_with("GRANT USAGE ON SCHEMA"), "{line}");
        }
    }

    #[test]
    fn plugins_tables_are_granted_without_being_named_here() {
        let sql = of(false, false);
        for table in ["sample_note", "sample_notebook", "sample_migrations", "core_migrations"] {
            assert!(sql.contains(&format!("    {table}")), "{table}: {sql}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_quotes() {
        let sql = |role: &str| grants(&Grants { role: role.to_owned(), remotes: false, users: false });
        assert!(sql("a\"; DROP TABLE x; --").unwrap().contains("FROM \"a\"\"; DROP TABLE x; --\";"));
        for bad in ["", "a\nb", &"a".repeat(64)] {
            assert!(sql(bad).is_err(), "{bad:?}");
        }
    }
}
