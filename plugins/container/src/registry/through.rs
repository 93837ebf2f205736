//! Pull-through: names of another registry, below a distribution that stands for all of it.
//!
//! Who pulls a name for the first time makes a remote, a repository and a distribution of it, if the other registry has
//! what is pulled; who pulls a tag has it looked
//! for upstream again, and is served what is there if nobody answers. That costs the other registry requests and this one
//! disk, so that only users have anything fetched: anybody else is served what users have pulled. It takes the api role,
//! because it writes; a content role alone serves what is there.

use std::time::Duration;

use pulpcore::db::rows;
use pulpcore::error::{Error, Upstream as Problem};
use pulpcore::models::user;
use pulpcore::plugin::{LiveCx, Offer, Ref};
use pulpcore::settings::Role;
use pulpcore::sync;
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
use crate::upstream::Upstream;

/// For how long a client waits for another registry.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let fetching = fetch(cx, name, place.is_some(), reference, &user);
    match (tokio::time::timeout(PATIENCE, fetching).await, place) {
        (Ok(Ok(())), _) => Place::find(cx, name).await,
        // Whatever is there is better than nothing. What takes its time goes on, for those who come later.
        (_, Some(place)) => Ok(Some(place)),
        (Ok(Err(failure)), None) => Err(failure),
        (Err(_), None) => Err(Failure::new(Code::Unavailable, "The other registry takes its time: try again.")),
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
        must_have(cx, &offer, reference).await?;
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

/// Asks the other registry, before anything is made of a name that it may not have.
async fn must_have(cx: &LiveCx, offer: &Offer, reference: &Reference) -> Answer<()> {
    let unknown = |error: Error| match error {
        Error::NotFound(said) => Failure::new(Code::NameUnknown, said),
        // Some registries let nobody into what is not there.
        Error::Upstream { problem: Problem::Status(401 | 403 | 404), .. } => {
            Failure::new(Code::ManifestUnknown, error.to_string())
        }
        Error::Upstream { .. } => Failure::new(Code::Unavailable, error.to_string()),
        error => Failure::Core(error),
    };
    let (_, remote) = tasks::whole(&cx.app, offer.distribution, &offer.rest).await.map_err(unknown)?;
    let downloader = sync::downloader(&cx.app, &remote).map_err(unknown)?;
    let upstream = Upstream::new(downloader.as_ref(), &remote, &offer.rest).map_err(unknown)?;
    upstream.must_have(&reference.to_string()).await.map_err(unknown)
}
