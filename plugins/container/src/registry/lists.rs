//! What there is: tags of a repository, and repositories (distribution specification 1.1, "Listing Tags"; the latter are
//! in no specification, and every registry has the list).

use axum::Json;
use axum::response::IntoResponse;
use pulpcore::db::rows;
use pulpcore::plugin::{Detail, LiveCx};
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

use super::access::Caller;
use super::errors::Answer;
use super::page::Page;
use super::place::Place;
use crate::models::ContainerDistribution;
use crate::sql::Sql;

#[derive(FromQueryResult)]
struct Row {
    name: String,
}

/// `GET` of a repository's tags.
pub(super) async fn tags(cx: LiveCx) -> Answer {
    let place = Place::to_read(&cx).await?;
    let page = Page::of(&cx)?;
    let (tags, next) = match place.offer.version() {
        Some(version) => tags_in(&cx, version, &page).await?,
        None => (Vec::new(), None),
    };
    let path = format!("/v2/{}/tags/list", place.name);
    page.link(Json(json!({ "name": place.name, "tags": tags })).into_response(), &path, next, &[])
}

/// The tags of a version. SQLite would rather go through the names of all tags that there are, in their order: the cross join
/// keeps it to what the repository has, however much others have.
async fn tags_in(cx: &LiveCx, version: (Uuid, i64), page: &Page) -> Answer<(Vec<String>, Option<String>)> {
    let mut sql = Sql::default();
    let name = bytewise(cx, "t.name");
    let in_version = sql.in_version(version);
    let after = after(&mut sql, &name, page.after.as_deref());
    let limit = sql.bind(page.limit());
    let text = format!(
        "SELECT t.name AS name FROM core_repositorycontent r CROSS JOIN container_tag t \
         WHERE {in_version} AND t.content_ptr_id = r.content_id {after} ORDER BY {name} LIMIT {limit}"
    );
    names(cx, page, &text, sql).await
}

/// `GET` of the repositories that the caller may pull from.
pub(super) async fn catalog(cx: LiveCx) -> Answer {
    let caller = Caller::of(&cx).await?;
    let page = Page::of(&cx)?;
    let mut sql = Sql::default();
    let name = bytewise(&cx, "d.base_path");
    let (domain, pulp_type) = (sql.bind(cx.app.domain), sql.bind(ContainerDistribution::TYPE));
    let visible = match caller.sees_all() {
        true => "",
        false => "AND NOT c.private AND d.content_guard_id IS NULL",
    };
    let after = after(&mut sql, &name, page.after.as_deref());
    let limit = sql.bind(page.limit());
    let text = format!(
        "SELECT d.base_path AS name FROM core_distribution d \
         JOIN container_containerdistribution c ON c.distribution_ptr_id = d.pulp_id \
         WHERE d.pulp_domain_id = {domain} AND d.pulp_type = {pulp_type} {visible} {after} \
         ORDER BY {name} LIMIT {limit}"
    );
    let (repositories, next) = names(&cx, &page, &text, sql).await?;
    page.link(Json(json!({ "repositories": repositories })).into_response(), "/v2/_catalog", next, &[])
}

async fn names(cx: &LiveCx, page: &Page, text: &str, sql: Sql) -> Answer<(Vec<String>, Option<String>)> {
    let mut found = rows::<Row>(cx.app.db.read(), text, sql.values).await?;
    let next = page.cut(&mut found, |row| &row.name);
    Ok((found.into_iter().map(|row| row.name).collect(), next))
}

/// A column in the order of its bytes, which is SQLite's own; PostgreSQL has that of a language.
pub(super) fn bytewise(cx: &LiveCx, column: &str) -> String {
    match cx.app.db.is_sqlite() {
        true => column.to_owned(),
        false => format!("{column} COLLATE \"C\""),
    }
}

/// That what stands in a column comes after something.
pub(super) fn after(sql: &mut Sql, column: &str, last: Option<&str>) -> String {
    last.map_or_else(String::new, |last| format!("AND {column} > {}", sql.bind(last)))
}
