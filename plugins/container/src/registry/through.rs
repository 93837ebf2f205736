//! Pull-through: names of another registry, below a distribution that stands for all of it.
//!
//! Who pulls a name for the first time makes a remote, a repository and a distribution of it; who pulls a tag has it looked
//! for upstream again, and is served what is there if nobody answers. That costs the other registry requests and this one
//! disk, so that only users have anything fetched: anybody else is served what users have pulled. It takes the api role,
//! because it writes; a content role alone serves what is there.

use pulpcore::db::rows;
use pulpcore::models::user;
use pulpcore::plugin::{LiveCx, Offer, Ref};
use pulpcore::settings::Role;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::access::Caller;
use super::errors::{Answer, Code, Failure};
use super::permission::Who;
use super::place::Place;
use super::reference::Reference;
use super::scope::Action;
use super::tasks::{self, OpenThrough};
use crate::models::ContainerPullThroughDistribution;
use crate::tasks::Fetch;

/// The place that a request for a manifest reads, with the manifest in it, if it can be had. `place` is what is there.
pub(super) async fn fetched(cx: &LiveCx, place: Option<Place>, reference: &Reference) -> Answer<Option<Place>> {
    let name = Place::name(cx)?;
    let Some(private) = is_private(cx, name, place.as_ref()).await? else { return Ok(place) };
    let caller = Caller::of(cx).await?;
    caller.require(cx, name, Action::Pull, private)?;
    if caller.who() != Who::User || !cx.app.settings.has_role(Role::Api) {
        return Ok(place);
    }
    let user = caller.user(cx).await?;
    match fetch(cx, name, place.is_some(), reference, &user).await {
        Ok(()) => Place::find(cx, name).await,
        // Whatever is there is better than nothing.
        Err(failure) => place.map(Some).ok_or(failure),
    }
}

/// Of a name of another registry, whether only users may pull it; none for other names.
async fn is_private(cx: &LiveCx, name: &str, place: Option<&Place>) -> Answer<Option<bool>> {
    #[derive(FromQueryResult)]
    struct Row {
        private: bool,
    }
    if let Some(place) = place {
        return Ok(place.through.then_some(place.private));
    }
    let Some(offer) = above(cx, name).await? else { return Ok(None) };
    let sql = "SELECT private FROM container_containerpullthroughdistribution WHERE distribution_ptr_id = $1";
    let found: Option<Row> = rows(cx.app.db.read(), sql, vec![offer.distribution.into()]).await?.pop();
    Ok(found.map(|row| row.private))
}

/// The distribution below which a name lies that no other distribution has.
async fn above(cx: &LiveCx, name: &str) -> Answer<Option<Offer>> {
    let offer = cx.offer::<ContainerPullThroughDistribution>(name).await?;
    Ok(offer.filter(|offer| !offer.rest.is_empty()))
}

/// Fetches what a reference stands for upstream.
async fn fetch(cx: &LiveCx, name: &str, known: bool, reference: &Reference, user: &user::Model) -> Answer<()> {
    #[derive(FromQueryResult)]
    struct Row {
        repository_id: Uuid,
        pulp_type: String,
        remote_id: Uuid,
    }
    let refuse = |said: String| Failure::new(Code::ManifestUnknown, said);
    if !known && let Some(offer) = above(cx, name).await? {
        let open = OpenThrough { distribution: offer.distribution, name: name.to_owned(), upstream_name: offer.rest };
        tasks::run(cx, open, user, |said| Failure::new(Code::NameUnknown, said)).await?;
    }
    let sql = "SELECT d.repository_id AS repository_id, r.pulp_type AS pulp_type, r.remote_id AS remote_id \
               FROM core_distribution d JOIN core_repository r ON r.pulp_id = d.repository_id \
               WHERE d.pulp_domain_id = $1 AND d.base_path = $2 AND r.remote_id IS NOT NULL";
    let found: Option<Row> = rows(cx.app.db.read(), sql, vec![cx.app.domain.into(), name.into()]).await?.pop();
    let Some(Row { repository_id, pulp_type, remote_id }) = found else { return Ok(()) };
    let repository = Ref::of(&pulp_type, repository_id)?;
    let fetch = Fetch { repository, remote: Ref::new(remote_id), reference: reference.to_string() };
    tasks::run(cx, fetch, user, refuse).await?;
    Ok(())
}
