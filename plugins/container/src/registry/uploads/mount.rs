//! Blobs of another repository: distribution specification 1.1, "Mounting a blob from another repository".

use pulpcore::db::rows;
use pulpcore::models::repository;
use pulpcore::plugin::{LiveCx, Ref};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::registry::access::Caller;
use crate::registry::digest::Digest;
use crate::registry::errors::Answer;
use crate::registry::place::Place;
use crate::registry::reference::is_name;
use crate::registry::scope::Action;
use crate::registry::units;
use crate::sql::Sql;

/// How many repositories are tried, if the request names none.
const MOST_TRIED: i64 = 10;

/// Takes a blob over from the repository that the request names, or from any if it names none, if the caller may pull it
/// from there.
pub(super) async fn mount(cx: &LiveCx, repository: &Ref<repository::Entity>, digest: &Digest) -> Answer<bool> {
    let caller = Caller::of(cx).await?;
    let sources = match cx.query("from") {
        Some(from) => vec![from.to_owned()],
        None => sources(cx, digest, caller.sees_all()).await?,
    };
    for from in sources.iter().filter(|from| is_name(from)) {
        let Some(place) = Place::find_unguarded(cx, from).await? else { continue };
        if !caller.may(from, Action::Pull, place.private) {
            continue;
        }
        let Some(id) = find(cx, &place, digest).await? else { continue };
        let tx = cx.app.db.write().await?;
        units::wait(&tx, repository.id, id).await?;
        tx.commit().await?;
        return Ok(true);
    }
    Ok(false)
}

/// Names whose repositories have a blob: some that anybody may pull from, or any. That it is somewhere else is not for
/// everybody to know.
async fn sources(cx: &LiveCx, digest: &Digest, private: bool) -> Answer<Vec<String>> {
    #[derive(FromQueryResult)]
    struct Row {
        name: String,
    }
    let mut sql = Sql::default();
    let (domain, digest, most) = (sql.bind(cx.app.domain), sql.bind(digest.to_string()), sql.bind(MOST_TRIED));
    let visible = if private { "" } else { "AND NOT k.private AND d.content_guard_id IS NULL" };
    let text = format!(
        "SELECT d.base_path AS name FROM core_distribution d \
         JOIN container_containerdistribution k ON k.distribution_ptr_id = d.pulp_id \
         WHERE d.pulp_domain_id = {domain} {visible} AND d.repository_id IN ( \
           SELECT r.repository_id FROM container_blob b \
           JOIN core_repositorycontent r ON r.content_id = b.content_ptr_id AND r.version_removed IS NULL \
           WHERE b.pulp_domain_id = {domain} AND b.digest = {digest} \
           UNION SELECT p.repository_id FROM container_blob b \
           JOIN container_pendingcontent p ON p.content_id = b.content_ptr_id \
           WHERE b.pulp_domain_id = {domain} AND b.digest = {digest}) \
         LIMIT {most}"
    );
    let found: Vec<Row> = rows(cx.app.db.read(), &text, sql.values).await?;
    Ok(found.into_iter().map(|row| row.name).collect())
}

/// The blob, if the place has its bytes: those that only a remote has are none that can be read before a version has them.
async fn find(cx: &LiveCx, place: &Place, digest: &Digest) -> Answer<Option<Uuid>> {
    #[derive(FromQueryResult)]
    struct Row {
        content_ptr_id: Uuid,
    }
    let mut sql = Sql::default();
    let (domain, name) = (sql.bind(cx.app.domain), sql.bind(digest.to_string()));
    let has = place.has(&mut sql, "b.content_ptr_id");
    let text = format!(
        "SELECT b.content_ptr_id AS content_ptr_id FROM container_blob b \
         JOIN core_contentartifact c ON c.content_id = b.content_ptr_id \
         WHERE b.pulp_domain_id = {domain} AND b.digest = {name} AND c.artifact_id IS NOT NULL AND {has}"
    );
    Ok(rows::<Row>(cx.app.db.read(), &text, sql.values).await?.pop().map(|row| row.content_ptr_id))
}
