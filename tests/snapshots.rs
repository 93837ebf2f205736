//! What others rely on, as text that is checked in: the OpenAPI document, both schemas, and what plugins may use.
//!
//! A change of any of them is a visible diff that somebody looks at. `cargo xtask openapi`, `cargo xtask schema` and
//! `cargo xtask surface` write the texts anew: they run these tests with `PULP_BLESS=1`.

use std::path::{Path, PathBuf};
use std::process::Command;

use pulpcore::db::{Db, DbConfig};
use pulpcore::migrate::schema_dump;
use pulpcore::testkit::Database;
use serde_json::Value;
use tempfile::TempDir;

/// The most items that plugins may see: what is larger is learnt by nobody.
const LARGEST_SURFACE: usize = 40;

#[test]
fn openapi() {
    let folder = TempDir::new().expect("a temporary folder");
    let document: Value = serde_json::from_str(&server(&folder, &["openapi"], None)).expect("the document is JSON");
    let text = serde_json::to_string_pretty(&document).expect("JSON can be written") + "\n";
    compare("docs/openapi.json", &text, "openapi");
}

#[tokio::test]
async fn schema_of_sqlite() {
    let folder = TempDir::new().expect("a temporary folder");
    server(&folder, &["migrate"], None);
    let file = folder.path().join("pulp.sqlite3");
    compare("migrations/schema/sqlite.txt", &dump(format!("sqlite://{}", file.display())).await, "schema");
}

#[tokio::test]
async fn schema_of_postgres() {
    let folder = TempDir::new().expect("a temporary folder");
    let database = Database::create().await;
    server(&folder, &["migrate"], Some(&database.url));
    compare("migrations/schema/postgres.txt", &dump(database.url.clone()).await, "schema");
}

#[test]
fn surface() {
    let items = surface_of(&root().join("pulpcore/src"), "plugin");
    assert!(items.len() <= LARGEST_SURFACE, "{} items are more than {LARGEST_SURFACE}: {items:#?}", items.len());
    compare("docs/plugin-surface.txt", &(items.join("\n") + "\n"), "surface");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the server's program with a folder of its own and gives what it says.
fn server(folder: &TempDir, arguments: &[&str], database: Option<&str>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulp-server"));
    // Settings of whoever runs this are not part of a snapshot.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PULP_")) {
        command.env_remove(name);
    }
    if let Some(url) = database {
        command.env("PULP_DATABASE_URL", url);
    }
    command.args(arguments).arg("--data-dir").arg(folder.path()).current_dir(folder.path());
    let output = command.output().expect("the server's program can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {said}");
    String::from_utf8(output.stdout).expect("the server speaks UTF-8")
}

async fn dump(url: String) -> String {
    let db = Db::connect(&DbConfig { url, pool_size: 1, durable: false }).await.expect("the database is there");
    let text = schema_dump(&db).await.expect("the schema can be read");
    db.close().await.expect("the database can be left");
    text
}

/// Compares with what is checked in, or replaces it when `PULP_BLESS` is set.
fn compare(path: &str, text: &str, chore: &str) {
    let file: PathBuf = root().join(path);
    if std::env::var_os("PULP_BLESS").is_some() {
        std::fs::write(&file, text).expect("the snapshot can be written");
        return;
    }
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    let mut lines = (1..).zip(old.lines().map(Some).chain([None]).zip(text.lines().map(Some).chain([None])));
    if let Some((number, (old, new))) = lines.find(|(_, (old, new))| old != new) {
        let (old, new) = (old.unwrap_or("the end"), new.unwrap_or("the end"));
        panic!("{path} differs from line {number} on:\n- {old}\n+ {new}\n`cargo xtask {chore}` writes it anew.");
    }
}

/// `kind name` of everything that a module exports, sorted. `source` is the crate's folder.
fn surface_of(source: &Path, module: &str) -> Vec<String> {
    let text = text_of(source, module).expect("the module is there");
    let mut items: Vec<String> = exports(&text, module)
        .map(|export| {
            // What comes from another crate has no file here.
            let kind = find(source, &export.module, &export.original).unwrap_or("item");
            format!("{kind} {}", export.name)
        })
        .collect();
    items.extend(text.lines().filter_map(|line| {
        let name = line.strip_prefix("pub ")?.split(' ').nth(1)?.split(['(', '<', '{', ':', ';']).next()?;
        Some(format!("{} {name}", kind_of(line, name)?))
    }));
    items.sort();
    items
}

/// One name that a module exports from another.
struct Export {
    /// The other module, from the crate's root: `plugin::content`.
    module: String,
    original: String,
    name: String,
}

fn exports(text: &str, module: &str) -> impl Iterator<Item = Export> {
    let statements = text.split(';').filter_map(|part| Some(part.rsplit_once("pub use ")?.1));
    statements.flat_map(move |statement| {
        let split = statement.split_once("::{").or_else(|| statement.rsplit_once("::"));
        let (from, names) = split.expect("an export says from where");
        let from = match (from.strip_prefix("self::"), from.strip_prefix("crate::")) {
            (Some(below), _) => format!("{module}::{below}"),
            (None, from_root) => from_root.unwrap_or(from).to_owned(),
        };
        let names = names.trim_end_matches('}').split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(move |name| {
            let (original, name) = name.split_once(" as ").unwrap_or((name, name));
            Export { module: from.clone(), original: original.to_owned(), name: name.to_owned() }
        })
    })
}

/// The kind of what a module defines or exports under this name.
fn find(source: &Path, module: &str, name: &str) -> Option<&'static str> {
    let text = text_of(source, module)?;
    let further = || exports(&text, module).find(|export| export.name == name);
    let defined = text.lines().find_map(|line| kind_of(line, name));
    defined.or_else(|| further().and_then(|export| find(source, &export.module, &export.original)))
}

fn text_of(source: &Path, module: &str) -> Option<String> {
    let path = source.join(module.replace("::", "/"));
    let read = |file: PathBuf| std::fs::read_to_string(file).ok();
    read(path.with_extension("rs")).or_else(|| read(path.join("mod.rs")))
}

/// What kind of thing this line begins the definition of, if its name is this.
fn kind_of(line: &str, wanted: &str) -> Option<&'static str> {
    let kinds = ["trait", "struct", "enum", "type", "fn", "const", "static", "mod", "macro"];
    let line = line.trim_start().strip_prefix("pub ")?;
    kinds.into_iter().find(|kind| {
        let rest = line.strip_prefix(kind).and_then(|rest| rest.strip_prefix(' '));
        let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
        rest.and_then(|rest| rest.strip_prefix(wanted)).is_some_and(|rest| !rest.starts_with(part_of_a_name))
    })
}
