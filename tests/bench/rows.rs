//! A repository of any size in seconds: the rows that a sync would have made, written by SQL alone.

use super::lab::Database;

/// Statements that make version 1 of an empty repository hold `count` file units. Keys grow with the time, as real
/// ones do.
pub(crate) fn fill(repository: &str, count: u32, database: Database) -> Vec<String> {
    let (series, key, digest) = match database {
        Database::Sqlite => (
            format!("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"),
            "unhex(printf('0190000000007000%016x', s.n))",
            "printf('%064x', s.n)",
        ),
        Database::Postgres => (
            format!("WITH s AS (SELECT n FROM generate_series(1, {count}) AS n)"),
            "('0190000000007000' || lpad(to_hex(s.n), 16, '0'))::uuid",
            "lpad(to_hex(s.n), 64, '0')",
        ),
    };
    let (labels, version) = match database {
        Database::Sqlite => ("'{}'", "unhex('01900000000070008000000000000000')"),
        Database::Postgres => ("'{}'::jsonb", "'01900000-0000-7000-8000-000000000000'::uuid"),
    };
    // Times and the domain are those of the repository.
    let of = format!("core_repository r WHERE r.name = '{repository}'");
    let mut statements = vec![
        format!(
            "INSERT INTO core_content (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, pulp_type, \
             timestamp_of_interest, pulp_labels) \
             {series} SELECT {key}, r.pulp_created, r.pulp_created, r.pulp_domain_id, 'file.file', r.pulp_created, \
             {labels} FROM s, {of}"
        ),
        format!(
            "INSERT INTO file_filecontent (content_ptr_id, pulp_domain_id, relative_path, digest) \
             {series} SELECT {key}, r.pulp_domain_id, 'many/' || s.n, {digest} FROM s, {of}"
        ),
        format!(
            "INSERT INTO core_repositorycontent (repository_id, content_id, version_added) \
             {series} SELECT r.pulp_id, {key}, 1 FROM s, {of}"
        ),
        format!(
            "INSERT INTO core_repositoryversion (pulp_id, pulp_created, pulp_last_updated, repository_id, number) \
             SELECT {version}, r.pulp_created, r.pulp_created, r.pulp_id, 1 FROM {of}"
        ),
        format!("UPDATE core_repository SET next_version = 2 WHERE name = '{repository}'"),
    ];
    statements.extend(["P", "A"].map(|kind| {
        format!(
            "INSERT INTO core_repositoryversioncontentdetails \
             (repository_version_id, content_type, count_type, count) VALUES ({version}, 'file.file', '{kind}', {count})"
        )
    }));
    // PostgreSQL would do so by itself within the minute.
    statements.extend((database == Database::Postgres).then(|| "ANALYZE".to_owned()));
    statements
}
