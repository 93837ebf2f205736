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

/// Takes a blob over from the repository that the request names, if the caller may pull it from there. Whoever names none
/// is not searched for: that a blob is somewhere is not for everybody to know.
pub(super) async fn mount(cx: &LiveCx, repository: &Ref<repository::Entity>, digest: &Digest) -> Answer<bool> {
    let Some(from) = cx.query("from").filter(|from| is_name(from)) else { return Ok(false) };
    let Some(place) = Place::find_unguarded(cx, from).await? else { return Ok(false) };
    if !Caller::of(cx).await?.may(from, Action::Pull, place.private) {
        return Ok(false);
    }
    let Some(id) = find(cx, &place, digest).await? else { return Ok(false) };
    let tx = cx.app.db.write().await?;
    units::wait(&tx, repository.id, id).await?;
    tx.commit().await?;
    Ok(true)
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
