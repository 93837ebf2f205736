//! Directories: a page for people, JSON for programs that ask for it.
//!
//! The database reduces a folder to its immediate children, in the order of their names, and hands out at most
//! [`PAGE`] of them: the rest is on further pages, each of which begins behind the last name of the one before. So neither
//! a folder of a million files nor a server of as many distributions is ever held in memory.

mod accept;
mod page;

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use sea_orm::{DbBackend, FromQueryResult, Statement};
use time::OffsetDateTime;

use super::conditions::{Version, Wanted};
use super::resolve::{self, Source, Sql};
use super::{Ask, empty, path, with_slash};
use crate::app::App;
use crate::error::{Error, Result};

/// How many entries a page has at most.
pub(super) const PAGE: usize = 10_000;

/// What a browser may do with a page: show it. Names come from whoever uploads; should one ever get past the escaping,
/// it loads and runs nothing.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
    let page = read(app, &places, sql, ask).await?;
    if page.entries.is_empty() {
        return Ok(None);
    }
    let path = format!("{}{}/{folder}", app.settings.content_path_prefix, source.base_path);
    respond(&path, true, page, ask).map(Some)
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
    let mut page = read(app, &[place], sql, ask).await?;
    if page.entries.is_empty() && !is_root {
        return Ok(None);
    }
    if !is_folder {
        return Ok(Some(with_slash(ask.raw())));
    }
    page.entries.iter_mut().for_each(|entry| entry.stamp = None);
    let path = format!("{}{folder}", app.settings.content_path_prefix);
    respond(&path, !is_root, page, ask).map(Some)
}

/// The listing of folders that stand in no table: names with a slash at the end, in order, and when each came.
pub(super) fn folders(path: &str, folders: Vec<(String, OffsetDateTime)>, ask: &Ask<'_>) -> Result<Response> {
    let entries = folders.into_iter().map(|(name, stamp)| Entry { name, size: None, stamp: Some(stamp) });
    respond(path, true, Page { entries: entries.collect(), next: None }, ask)
}

/// Some of a listing, in the order of names.
struct Page {
    entries: Vec<Entry>,
    /// Where the next one is, relative to the folder.
    next: Option<String>,
}

/// The children that the queries find together, by name, from where the request wants them.
async fn read(app: &App, places: &[String], mut sql: Sql, ask: &Ask<'_>) -> Result<Page> {
    if places.is_empty() {
        return Ok(Page { entries: Vec::new(), next: None });
    }
    // By code point, whatever order the database thinks names have.
    let order = if app.db.backend() == DbBackend::Sqlite { "name" } else { "name COLLATE \"C\"" };
    let begin =
        after(ask.parts.uri.query())?.map_or_else(String::new, |after| format!("WHERE {order} > {} ", sql.bind(after)));
    let text = format!(
        "SELECT name, max(size) AS size, max(stamp) AS stamp FROM ({}) AS children {begin}GROUP BY name ORDER BY {order} \
         LIMIT {}",
        places.join(" UNION ALL "),
        PAGE + 1
    );
    let statement = Statement::from_sql_and_values(app.db.backend(), text, sql.values);
    let found = Entry::find_by_statement(statement).stream(app.db.read()).await?;
    let mut entries: Vec<Entry> = found.try_collect().await?;
    let has_more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let last = entries.last().filter(|_| has_more);
    let next = last.map(|last| format!("?after={}", path::encoded(&last.name)));
    // No path leads to them.
    entries.retain(|entry| !matches!(entry.name.trim_end_matches('/'), "." | ".."));
    Ok(Page { entries, next })
}

/// The name behind which a page is to begin. Other parameters are ignored.
fn after(query: Option<&str>) -> Result<Option<String>> {
    let parameters = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let after = parameters.into_iter().find(|(name, _)| name == "after").map(|(_, after)| after.into_owned());
    // One of the databases refuses to look for it.
    if after.as_ref().is_some_and(|after| after.contains('\0')) {
        return Err(Error::invalid("after", "Null characters are not allowed."));
    }
    Ok(after)
}

fn respond(path: &str, has_parent: bool, page: Page, ask: &Ask<'_>) -> Result<Response> {
    // It has no validators, but a condition can be about its being there.
    match Wanted::of(ask.headers(), &Version { tag: None, modified: None, size: None }) {
        Wanted::NotModified => return Ok(empty(StatusCode::NOT_MODIFIED, headers(&page, None)?)),
        Wanted::Changed => return Ok(empty(StatusCode::PRECONDITION_FAILED, headers(&page, None)?)),
        Wanted::Whole | Wanted::Part(_) | Wanted::Parts(_) | Wanted::Unsatisfiable => {}
    }
    if accept::prefers_json(ask.headers()) {
        let mut response = empty(StatusCode::OK, headers(&page, Some("application/json"))?);
        *response.body_mut() = Body::from(page::json(&page.entries)?);
        return Ok(response);
    }
    let mut response = empty(StatusCode::OK, headers(&page, Some("text/html; charset=utf-8"))?);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    let blocks = page::draw(path, has_parent, page.entries, page.next);
    *response.body_mut() = match blocks.len() {
        0..=3 => Body::from(blocks.collect::<String>()),
        // For HEAD, too, whose body is dropped before any of it is drawn: the headers come out the same.
        _ => Body::from_stream(stream::iter(blocks.map(|block| Ok::<_, Infallible>(Bytes::from(block))))),
    };
    Ok(response)
}

/// What both forms say.
fn headers(page: &Page, type_: Option<&'static str>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(type_) = type_ {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(type_));
    }
    if let Some(next) = &page.next {
        let link = HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).map_err(Error::internal)?;
        headers.insert(header::LINK, link);
    }
    Ok(headers)
}
