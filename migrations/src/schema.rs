//! The schema as text: sorted and free of what does not matter, so that two databases can be compared and a change can
//! be reviewed. The runner's own history tables are left out.

use std::collections::BTreeMap;
use std::fmt::Write;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::runner::HISTORY;

/// All tables with their columns, keys, foreign keys and indexes: a line each, sorted.
pub async fn dump(db: &impl ConnectionTrait) -> Result<String, DbErr> {
    let queries: &[&str] = match db.get_database_backend() {
        DbBackend::Postgres => &POSTGRES,
        _ => &SQLITE,
    };
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sql in queries {
        for row in rows(db, sql).await? {
            let table: String = row.try_get("", "tbl")?;
            if !table.ends_with(HISTORY) {
                tables.entry(table).or_default().push(row.try_get("", "line")?);
            }
        }
    }
    let mut text = String::new();
    for (table, mut lines) in tables {
        lines.sort();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{table}");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
        text.push('\n');
    }
    Ok(text.trim_end().to_owned() + "\n")
}

const SQLITE: [&str; 5] = [
    "SELECT m.name AS tbl, 'column ' || c.name || ' ' || c.type || CASE WHEN c.\"notnull\" THEN ' not null' ELSE '' END
        || CASE WHEN c.dflt_value IS NULL THEN '' ELSE ' default ' || c.dflt_value END AS line
     FROM sqlite_master m JOIN pragma_table_info(m.name) c
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    "SELECT tbl, 'primary key (' || group_concat(name, ', ') || ')' AS line
     FROM (SELECT m.name AS tbl, c.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) c
           WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND c.pk > 0 ORDER BY m.name, c.pk)
     GROUP BY tbl",
    "SELECT m.name AS tbl, 'foreign key ' || f.\"from\" || ' references ' || f.\"table\" || ' (' || f.\"to\" || ')'
        || ' on delete ' || lower(f.on_delete) AS line
     FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    "SELECT name AS tbl, 'without rowid' AS line FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND wr",
    "SELECT tbl_name AS tbl, type || ' ' || replace(sql, '\"', '') AS line
     FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL",
];

const POSTGRES: [&str; 3] = [
    "SELECT c.relname::text AS tbl, 'column ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
        || CASE WHEN a.attidentity <> '' THEN ' identity' ELSE '' END
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS line
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace",
    "SELECT c.relname::text AS tbl, 'constraint ' || o.conname || ' ' || pg_get_constraintdef(o.oid) AS line
     FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
     WHERE o.contype <> 'n' AND c.relnamespace = current_schema()::regnamespace",
    "SELECT i.tablename::text AS tbl,
        'index ' || replace(i.indexdef, ' ON ' || quote_ident(i.schemaname) || '.', ' ON ') AS line
     FROM pg_indexes i WHERE i.schemaname = current_schema()
     AND NOT EXISTS (SELECT 1 FROM pg_constraint o JOIN pg_class c ON c.oid = o.conindid
                     WHERE c.relname = i.indexname AND c.relnamespace = current_schema()::regnamespace
                     AND o.contype IN ('p', 'u'))",
];

async fn rows(db: &impl ConnectionTrait, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await
}
