//! Directories as pages: the look of Pulp's listings, which is that of a plain web server.
//!
//! The database reduces a folder to its immediate children, so that a listing holds the names of one folder, however
//! many files lie below it. Long listings are drawn while they are sent.

use std::convert::Infallible;
use std::fmt::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use sea_orm::{FromQueryResult, Statement};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::resolve::{self, Source, Sql};
use super::{Ask, empty, with_slash};
use crate::app::App;
use crate::error::Result;

/// How many lines are drawn at a time.
const BLOCK: usize = 500;

/// How many columns a name has; longer ones push the rest to the right.
const WIDTH: usize = 100;

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[day]-[month repr:short]-[year] [hour]:[minute]");

/// One line.
#[derive(Debug, FromQueryResult)]
struct Entry {
    /// With a slash at its end if it is a folder.
    name: String,
    size: Option<i64>,
    /// When it came; distributions do not show it.
    stamp: Option<OffsetDateTime>,
}

/// The listing of a folder of a distribution: "" or a path with a slash at its end. `None` if nothing is in it.
pub(super) async fn folder(app: &App, source: &Source, folder: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
    // A path that leads nowhere is found out by the index on paths, not by looking through the version.
    if !folder.is_empty() && !resolve::is_folder(app, source, folder).await? {
        return Ok(None);
    }
    let size = "COALESCE(a.size, (SELECT max(r.size) FROM core_remoteartifact r \
                WHERE r.content_artifact_id = c.pulp_id)) AS size";
    let mut sql = Sql::new(app);
    let mut places = Vec::with_capacity(3);
    if let Some(publication) = source.publication_id {
        let publication = sql.bind(publication);
        let (name, below) = (sql.child("f.relative_path", folder), sql.begins("f.relative_path", folder));
        places.push(format!(
            "SELECT {name} AS name, {size}, p.pulp_created AS stamp FROM core_publishedartifact f \
             JOIN core_publication p ON p.pulp_id = f.publication_id \
             JOIN core_contentartifact c ON c.pulp_id = f.content_artifact_id \
             LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
             WHERE f.publication_id = {publication} AND {below}"
        ));
        places.push(format!(
            "SELECT {name} AS name, a.size AS size, p.pulp_created AS stamp FROM core_publishedmetadata f \
             JOIN core_publication p ON p.pulp_id = f.publication_id \
             JOIN core_artifact a ON a.pulp_id = f.artifact_id \
             WHERE f.publication_id = {publication} AND {below}"
        ));
    }
    if let Some(version) = source.version() {
        let (name, below) = (sql.child("c.relative_path", folder), sql.begins("c.relative_path", folder));
        let is_member = sql.is_member("m", version);
        // From the version to the paths: its size bounds the work, where a path can be that of all repositories.
        places.push(format!(
            "SELECT {name} AS name, {size}, u.pulp_created AS stamp FROM core_repositorycontent m \
             CROSS JOIN core_contentartifact c JOIN core_content u ON u.pulp_id = c.content_id \
             LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
             WHERE c.content_id = m.content_id AND {is_member} AND {below}"
        ));
    }
    let entries = entries(app, &places, sql).await?;
    if entries.is_empty() {
        return Ok(None);
    }
    let path = format!("{}{}/{folder}", app.settings.content_path_prefix, source.base_path);
    Ok(Some(respond(&path, true, entries, ask)))
}

/// The listing of the distributions below a path that is itself none; the root always has one. Hidden ones are left out,
/// and guarded ones if the operator wants it so.
pub(super) async fn distributions(app: &App, ask: &Ask<'_>) -> Result<Option<Response>> {
    let is_root = ask.path.is_empty();
    let is_folder = is_root || ask.path.ends_with('/');
    let folder = if is_folder { ask.path.to_owned() } else { format!("{}/", ask.path) };
    let mut sql = Sql::new(app);
    let (domain, hidden) = (sql.bind(app.domain), sql.bind(false));
    let (name, below) = (sql.child("d.base_path || '/'", &folder), sql.begins("d.base_path", &folder));
    let unguarded = if app.settings.hide_guarded_distributions { " AND d.content_guard_id IS NULL" } else { "" };
    let place = format!(
        "SELECT {name} AS name, CAST(NULL AS bigint) AS size, d.pulp_created AS stamp FROM core_distribution d \
         WHERE d.pulp_domain_id = {domain} AND d.hidden = {hidden} AND {below}{unguarded}"
    );
    let mut entries = entries(app, &[place], sql).await?;
    if entries.is_empty() && !is_root {
        return Ok(None);
    }
    if !is_folder {
        return Ok(Some(with_slash(ask.raw)));
    }
    entries.iter_mut().for_each(|entry| entry.stamp = None);
    let path = format!("{}{folder}", app.settings.content_path_prefix);
    Ok(Some(respond(&path, !is_root, entries, ask)))
}

/// The listing of folders that stand in no table: names with a slash at the end, in order, and when each came.
pub(super) fn folders(path: &str, folders: Vec<(String, OffsetDateTime)>, ask: &Ask<'_>) -> Response {
    let entries = folders.into_iter().map(|(name, stamp)| Entry { name, size: None, stamp: Some(stamp) });
    respond(path, true, entries.collect(), ask)
}

/// The children that the queries find together, by name.
async fn entries(app: &App, places: &[String], sql: Sql) -> Result<Vec<Entry>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!(
        "SELECT name, max(size) AS size, max(stamp) AS stamp FROM ({}) AS children GROUP BY name",
        places.join(" UNION ALL ")
    );
    let statement = Statement::from_sql_and_values(app.db.backend(), text, sql.values);
    let found = Entry::find_by_statement(statement).stream(app.db.read()).await?;
    let mut entries: Vec<Entry> = found.try_collect().await?;
    // By code point, whatever order the database thinks names have.
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn respond(path: &str, has_parent: bool, entries: Vec<Entry>, ask: &Ask<'_>) -> Response {
    let type_ = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let mut response = empty(StatusCode::OK, HeaderMap::from_iter([type_]));
    let blocks = draw(path, has_parent, entries);
    *response.body_mut() = match blocks.len() {
        0..=3 => Body::from(blocks.collect::<String>()),
        // Answers to HEAD are never read: nothing is drawn for them.
        _ if ask.head => return response,
        _ => Body::from_stream(stream::iter(blocks.map(|block| Ok::<_, Infallible>(Bytes::from(block))))),
    };
    response
}

/// The page: its head, its lines in blocks, its end.
fn draw(path: &str, has_parent: bool, entries: Vec<Entry>) -> impl ExactSizeIterator<Item = String> + use<> {
    let path = escape(path);
    let parent = if has_parent { "<a href=\"../\">../</a>" } else { "" };
    let mut head = Some(format!(
        "\n<html>\n<head><title>Index of {path}</title></head>\n<body bgcolor=\"white\">\n<h1>Index of {path}</h1>\n\
         <hr><pre>{parent}\n"
    ));
    let blocks = entries.len().div_ceil(BLOCK);
    let mut entries = entries.into_iter();
    (0..blocks + 2).map(move |nth| match head.take() {
        Some(head) => head,
        None if nth <= blocks => entries.by_ref().take(BLOCK).fold(String::new(), |mut block, entry| {
            line(&mut block, &entry);
            block
        }),
        None => "</pre><hr></body>\n</html>".to_owned(),
    })
}

fn line(page: &mut String, entry: &Entry) {
    let name = escape(&entry.name);
    let date =
        entry.stamp.and_then(|stamp| stamp.to_offset(time::UtcOffset::UTC).format(DATE).ok()).unwrap_or_default();
    let size = match entry.size {
        Some(size) if !name.ends_with('/') => in_words(size),
        _ => String::new(),
    };
    let gap = WIDTH.saturating_sub(name.chars().count());
    writeln!(page, "<a href=\"./{name}\">{name}</a>{:gap$}{date}  {size}", "").expect("a string takes any text");
}

/// A size in decimal units: `38 Bytes`, `3.2 kB`.
fn in_words(size: i64) -> String {
    match size {
        1 => return "1 Byte".to_owned(),
        0..1000 => return format!("{size} Bytes"),
        _ => {}
    }
    let mut scaled = size as f64 / 1000.0;
    let mut units = ["kB", "MB", "GB", "TB", "PB", "EB"].into_iter().peekable();
    while scaled >= 1000.0 {
        scaled /= 1000.0;
        units.next();
    }
    format!("{scaled:.1} {}", units.next().unwrap_or("EB"))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn entry(name: &str, size: Option<i64>) -> Entry {
        Entry { name: name.to_owned(), size, stamp: Some(datetime!(2026-11-20 10:07:31 UTC)) }
    }

    #[test]
    fn a_listing_looks_like_pulps() {
        let entries = vec![entry("a.txt", Some(38)), entry("d&e <x>.txt", Some(36)), entry("sub/", Some(7))];
        let page: String = draw("/pulp/content/d/", true, entries).collect();
        let pad = |n| " ".repeat(n);
        let expected = [
            "\n<html>\n<head><title>Index of /pulp/content/d/</title></head>\n<body bgcolor=\"white\">\n",
            "<h1>Index of /pulp/content/d/</h1>\n<hr><pre><a href=\"../\">../</a>\n",
            &format!("<a href=\"./a.txt\">a.txt</a>{}20-Nov-2026 10:07  38 Bytes\n", pad(95)),
            "<a href=\"./d&amp;e &lt;x&gt;.txt\">d&amp;e &lt;x&gt;.txt</a>",
            &format!("{}20-Nov-2026 10:07  36 Bytes\n", pad(79)),
            &format!("<a href=\"./sub/\">sub/</a>{}20-Nov-2026 10:07  \n", pad(96)),
            "</pre><hr></body>\n</html>",
        ];
        assert_eq!(page, expected.concat());
    }

    #[test]
    fn distributions_have_no_date_and_long_names_no_gap() {
        let mut page = String::new();
        line(&mut page, &Entry { name: "ä/".into(), size: None, stamp: None });
        line(&mut page, &Entry { name: "x".repeat(300), size: None, stamp: None });
        let long = "x".repeat(300);
        let gap = " ".repeat(100);
        assert_eq!(page, format!("<a href=\"./ä/\">ä/</a>{gap}\n<a href=\"./{long}\">{long}</a>  \n"));
    }

    #[test]
    fn a_long_listing_is_drawn_in_blocks_with_every_line_once() {
        let entries = (0..1201).map(|n| entry(&format!("f{n:04}"), None)).collect();
        let blocks: Vec<_> = draw("/", false, entries).collect();
        assert_eq!(blocks.len(), 5);
        let page = blocks.concat();
        let names = page.lines().filter_map(|line| line.strip_prefix("<a href=\"./f")?.get(..4));
        assert!(names.eq((0..1201).map(|n| format!("{n:04}"))));
    }

    #[test]
    fn sizes_are_in_decimal_units() {
        for (size, words) in [
            (0, "0 Bytes"),
            (1, "1 Byte"),
            (999, "999 Bytes"),
            (3200, "3.2 kB"),
            (4_200_000, "4.2 MB"),
            (i64::MAX, "9.2 EB"),
        ] {
            assert_eq!(in_words(size), words);
        }
    }
}
