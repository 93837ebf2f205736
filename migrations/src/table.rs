//! The builder that migrations declare tables with.
//!
//! One declaration gives the same table on both databases: the types that the entities read, a deterministic name for
//! every index and constraint, and an index behind every foreign key, because deleting the other end must find them.
//!
//! ```
//! use pulp_migrations::prelude::*;
//!
//! async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
//!     NewTable::new("file_filecontent")
//!         .master_key("content_ptr_id", "core_content")
//!         .domain()
//!         .column("relative_path", Text)
//!         .column("digest", Text)
//!         .unique(["relative_path", "digest", "pulp_domain_id"])
//!         .create(manager)
//!         .await
//! }
//! # let _ = up;
//! ```

use sea_orm_migration::prelude::{
    ColumnDef, ConnectionTrait, DbErr, ForeignKey, ForeignKeyAction, Index, SchemaManager, Table,
};
use sea_orm_migration::sea_orm::DbBackend;

/// The types of columns, by what an entity's field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Uuid`.
    Uuid,
    /// `String` of any length.
    Text,
    /// `i64`.
    BigInt,
    /// `f64`.
    Double,
    /// `bool`.
    Bool,
    /// `OffsetDateTime`.
    Time,
    /// `Json`, or anything that derives `FromJsonQueryResult`: `jsonb` on PostgreSQL, text on SQLite.
    Json,
    /// `i64` that the database numbers: only for a primary key.
    Serial,
}

/// What happens to a row whose other end is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// It is deleted as well.
    Cascade,
    /// It forgets the other end.
    SetNull,
    /// The other end cannot be deleted.
    Restrict,
}

/// What a foreign key points at: `"table"` for its `pulp_id`, or `("table", "column")`.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    table: &'static str,
    column: &'static str,
}

impl From<&'static str> for Target {
    fn from(table: &'static str) -> Self {
        Self { table, column: "pulp_id" }
    }
}

impl From<(&'static str, &'static str)> for Target {
    fn from((table, column): (&'static str, &'static str)) -> Self {
        Self { table, column }
    }
}

/// A table that is about to be.
#[derive(Debug)]
#[must_use = "nothing happens before `create`"]
pub struct NewTable {
    name: &'static str,
    columns: Vec<(&'static str, Kind, bool)>,
    key: Vec<&'static str>,
    clustered: bool,
    references: Vec<(&'static str, Target, OnDelete)>,
    indexes: Vec<NewIndex>,
}

#[derive(Debug)]
struct NewIndex {
    columns: Vec<&'static str>,
    unique: bool,
    condition: Option<String>,
}

impl NewTable {
    /// A table without columns.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            columns: Vec::new(),
            key: Vec::new(),
            clustered: false,
            references: Vec::new(),
            indexes: Vec::new(),
        }
    }

    /// The columns that most of core's tables begin with: the key `pulp_id`, `pulp_created` and `pulp_last_updated`.
    pub fn base(self) -> Self {
        self.id().column("pulp_created", Kind::Time).column("pulp_last_updated", Kind::Time)
    }

    /// The key `pulp_id`.
    pub fn id(self) -> Self {
        self.column("pulp_id", Kind::Uuid).primary_key(["pulp_id"])
    }

    /// The key of a detail table, which is the key of its master: the detail goes when the master goes.
    pub fn master_key(self, column: &'static str, master: &'static str) -> Self {
        self.column(column, Kind::Uuid).primary_key([column]).foreign_key(column, master, OnDelete::Cascade)
    }

    /// `pulp_domain_id`. It gets no index of its own: domains are hardly ever deleted, and rows are found by more
    /// than their domain.
    pub fn domain(self) -> Self {
        self.column("pulp_domain_id", Kind::Uuid).foreign_key("pulp_domain_id", "core_domain", OnDelete::Restrict)
    }

    /// A column that is never null.
    pub fn column(mut self, name: &'static str, kind: Kind) -> Self {
        self.columns.push((name, kind, false));
        self
    }

    /// A column that may be null.
    pub fn nullable(mut self, name: &'static str, kind: Kind) -> Self {
        self.columns.push((name, kind, true));
        self
    }

    /// A foreign key that is never null, with its index (unless a key or an index already begins with it).
    pub fn belongs_to(self, name: &'static str, target: impl Into<Target>, on_delete: OnDelete) -> Self {
        self.column(name, Kind::Uuid).foreign_key(name, target, on_delete).found_by(name, false)
    }

    /// A foreign key that may be null, with an index over the rows where it is not.
    pub fn may_belong_to(self, name: &'static str, target: impl Into<Target>, on_delete: OnDelete) -> Self {
        self.nullable(name, Kind::Uuid).foreign_key(name, target, on_delete).found_by(name, true)
    }

    /// Makes a column that was declared before a foreign key, without an index.
    pub fn foreign_key(mut self, column: &'static str, target: impl Into<Target>, on_delete: OnDelete) -> Self {
        self.references.push((column, target.into(), on_delete));
        self
    }

    /// The primary key.
    pub fn primary_key<const N: usize>(mut self, columns: [&'static str; N]) -> Self {
        self.key = columns.to_vec();
        self
    }

    /// On SQLite, keeps the rows in the primary key itself instead of beside it (`WITHOUT ROWID`): for narrow rows that
    /// are found by a key of several columns.
    pub fn clustered(mut self) -> Self {
        self.clustered = true;
        self
    }

    /// No two rows have the same values here.
    pub fn unique<const N: usize>(self, columns: [&'static str; N]) -> Self {
        self.push(columns.to_vec(), true, None)
    }

    /// An index.
    pub fn index<const N: usize>(self, columns: [&'static str; N]) -> Self {
        self.push(columns.to_vec(), false, None)
    }

    /// No two of the rows that meet `condition` (SQL that both databases understand) have the same values here.
    pub fn unique_where<const N: usize>(self, columns: [&'static str; N], condition: &str) -> Self {
        self.push(columns.to_vec(), true, Some(condition.to_owned()))
    }

    /// An index over the rows that meet `condition` (SQL that both databases understand).
    pub fn index_where<const N: usize>(self, columns: [&'static str; N], condition: &str) -> Self {
        self.push(columns.to_vec(), false, Some(condition.to_owned()))
    }

    /// Creates the table and its indexes.
    pub async fn create(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let mut table = Table::create();
        table.table(self.name);
        let serial = self.columns.iter().any(|(_, kind, _)| *kind == Kind::Serial);
        for &(name, kind, null) in &self.columns {
            let mut def = column(backend, name, kind);
            if !null {
                def.not_null();
            }
            table.col(&mut def);
        }
        // SQLite numbers a column only if the column itself is declared the key.
        if !serial {
            let mut key = Index::create();
            if backend == DbBackend::Postgres {
                key.name(name_of("pk", self.name, &[]));
            }
            for column in &self.key {
                key.col(*column);
            }
            table.primary_key(&mut key);
        }
        for (column, target, on_delete) in &self.references {
            table.foreign_key(
                ForeignKey::create()
                    .name(name_of("fk", self.name, &[*column]))
                    .from(self.name, *column)
                    .to(target.table, target.column)
                    .on_delete(action(*on_delete)),
            );
        }
        if self.clustered && backend == DbBackend::Sqlite {
            table.extra("WITHOUT ROWID");
        }
        manager.create_table(table).await?;
        for index in self.indexes.iter().filter(|index| self.wants(index)) {
            manager.get_connection().execute_unprepared(&index.sql(self.name)).await?;
        }
        Ok(())
    }

    fn push(mut self, columns: Vec<&'static str>, unique: bool, condition: Option<String>) -> Self {
        self.indexes.push(NewIndex { columns, unique, condition });
        self
    }

    fn found_by(self, column: &'static str, nullable: bool) -> Self {
        let condition = nullable.then(|| format!(r#""{column}" IS NOT NULL"#));
        self.push(vec![column], false, condition)
    }

    /// An index on one column is needless where a longer one over all rows begins with the same column.
    fn wants(&self, index: &NewIndex) -> bool {
        let [column] = index.columns[..] else { return true };
        let longer = |other: &&NewIndex| {
            other.condition.is_none() && other.columns.len() > 1 && other.columns.first() == Some(&column)
        };
        index.unique || (self.key.first() != Some(&column) && self.indexes.iter().find(longer).is_none())
    }
}

impl NewIndex {
    fn sql(&self, table: &str) -> String {
        let prefix = if self.unique { "uq" } else { "ix" };
        let name = name_of(prefix, table, &self.columns);
        let unique = if self.unique { "UNIQUE " } else { "" };
        let columns = self.columns.iter().map(|column| format!(r#""{column}""#)).collect::<Vec<_>>().join(", ");
        let condition = self.condition.as_ref().map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        format!(r#"CREATE {unique}INDEX "{name}" ON "{table}" ({columns}){condition}"#)
    }
}

/// A column of the type that entities read on this database: for `ALTER TABLE … ADD COLUMN`. It may be null; say
/// `.not_null().default(…)` where it may not.
pub fn column(backend: DbBackend, name: &'static str, kind: Kind) -> ColumnDef {
    let mut def = ColumnDef::new(name);
    match kind {
        Kind::Uuid if backend == DbBackend::Sqlite => def.blob(),
        Kind::Uuid => def.uuid(),
        Kind::Text => def.text(),
        Kind::BigInt => def.big_integer(),
        Kind::Double => def.double(),
        Kind::Bool => def.boolean(),
        Kind::Time => def.timestamp_with_time_zone(),
        Kind::Json if backend == DbBackend::Sqlite => def.json(),
        Kind::Json => def.json_binary(),
        Kind::Serial => def.big_integer().auto_increment().primary_key(),
    };
    def
}

/// The longest name that PostgreSQL keeps in full.
const NAME_LIMIT: usize = 63;

fn name_of(prefix: &str, table: &str, columns: &[&str]) -> String {
    let mut name = format!("{prefix}_{table}");
    for column in columns {
        name.push('_');
        name.push_str(column);
    }
    if name.len() > NAME_LIMIT {
        // FNV-1a: short, and the same for ever.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        name.truncate(NAME_LIMIT - 9);
        name.push_str(&format!("_{hash:08x}"));
    }
    name
}

fn action(on_delete: OnDelete) -> ForeignKeyAction {
    match on_delete {
        OnDelete::Cascade => ForeignKeyAction::Cascade,
        OnDelete::SetNull => ForeignKeyAction::SetNull,
        OnDelete::Restrict => ForeignKeyAction::Restrict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_apart_within_the_limit() {
        let table = "a_table_with_a_name_that_is_rather_long_but_legal";
        let one = name_of("ix", table, &["some_column_of_it", "one"]);
        let two = name_of("ix", table, &["some_column_of_it", "two"]);
        assert_eq!(one.len(), NAME_LIMIT);
        assert_eq!(two.len(), NAME_LIMIT);
        assert_ne!(one, two);
        assert_eq!(name_of("ix", "short", &["a", "b"]), "ix_short_a_b");
    }

    #[test]
    fn a_foreign_key_gets_no_second_index() {
        let table = NewTable::new("t")
            .belongs_to("covered", "core_content", OnDelete::Cascade)
            .belongs_to("alone", "core_content", OnDelete::Cascade)
            .unique(["covered", "alone"]);
        let wanted: Vec<_> = table.indexes.iter().filter(|i| table.wants(i)).map(|i| i.columns.clone()).collect();
        assert_eq!(wanted, [vec!["alone"], vec!["covered", "alone"]]);
    }
}
