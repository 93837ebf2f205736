//! From a name in a URL to the distribution that offers it, and the repository behind it.

use pulpcore::db::rows;
use pulpcore::error::{Error, Result};
use pulpcore::models::{repository, user};
use pulpcore::plugin::{LiveCx, Offer, Ref};
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

use super::access::Caller;
use super::errors::{Answer, Code, Failure};
use super::reference::is_name;
use super::scope::Action;
use super::tasks::{self, Open};
use crate::models::ContainerDistribution;
use crate::sql::Sql;

/// A name that is offered.
#[derive(Debug)]
pub(super) struct Place {
    /// The name: the distribution's base path.
    pub(super) name: String,
    /// What is offered.
    pub(super) offer: Offer,
    /// Whether only users may pull.
    pub(super) private: bool,
    /// Whether it is a name of another registry, which is pulled through.
    pub(super) through: bool,
    /// The repository that it follows; none if it offers a fixed version, or nothing.
    pub(super) follows: Option<Ref<repository::Entity>>,
}

impl Place {
    /// The name that a request is about.
    pub(super) fn name(cx: &LiveCx) -> Answer<&str> {
        let name = cx.param("name");
        if is_name(name) {
            return Ok(name);
        }
        let message = "A name is made of components of lower-case letters and digits, with '.', '_', '__' or dashes \
                       between, parted by slashes; it has at most 255 characters.";
        Err(Failure::new(Code::NameInvalid, message).with_detail(json!({ "name": name })))
    }

    /// What is offered under a name.
    pub(super) async fn find(cx: &LiveCx, name: &str) -> Answer<Option<Self>> {
        let Some(offer) = cx.offer::<ContainerDistribution>(name).await?.filter(|offer| offer.rest.is_empty()) else {
            return Ok(None);
        };
        let said = offer.remembered(said(cx, offer.distribution)).await?;
        let Some(Said { private, through, follows }) = &*said else { return Ok(None) };
        let (private, through, follows) = (*private, *through, follows.clone());
        Ok(Some(Self { name: name.to_owned(), offer, private, through, follows }))
    }

    /// The same; none as well if a content guard does not let the request in.
    pub(super) async fn find_unguarded(cx: &LiveCx, name: &str) -> Answer<Option<Self>> {
        match Self::find(cx, name).await {
            Err(Failure::Core(Error::PermissionDenied | Error::Unauthenticated | Error::BadCredentials)) => Ok(None),
            found => found,
        }
    }

    /// The place that a request reads.
    pub(super) async fn to_read(cx: &LiveCx) -> Answer<Self> {
        Self::to_read_if_any(cx).await?.ok_or_else(|| unknown(cx.param("name")))
    }

    /// The same; none if nobody offers the name.
    pub(super) async fn to_read_if_any(cx: &LiveCx) -> Answer<Option<Self>> {
        let name = Self::name(cx)?;
        let caller = Caller::of(cx).await?;
        let place = Self::find(cx, name).await?;
        if let Some(place) = &place {
            caller.require(cx, name, Action::Pull, place.private)?;
        }
        Ok(place)
    }

    /// The place that a request changes, and in whose name. It has a repository.
    pub(super) async fn to_change(cx: &LiveCx, action: Action) -> Answer<(Self, Ref<repository::Entity>, user::Model)> {
        let name = Self::name(cx)?;
        let caller = Caller::of(cx).await?;
        caller.require(cx, name, action, true)?;
        let place = Self::find(cx, name).await?.ok_or_else(|| unknown(name))?;
        let (repository, user) = (place.repository()?, caller.user(cx).await?);
        Ok((place, repository, user))
    }

    /// The same for pushing: a name that nobody offers yet is offered from now on.
    pub(super) async fn to_push(cx: &LiveCx) -> Answer<(Self, Ref<repository::Entity>, user::Model)> {
        let name = Self::name(cx)?;
        let caller = Caller::of(cx).await?;
        caller.require(cx, name, Action::Push, true)?;
        let found = Self::find(cx, name).await?;
        let user = caller.user(cx).await?;
        let place = match found {
            Some(place) => place,
            None => {
                let open = Open { name: name.to_owned() };
                tasks::run(cx, open, &user, |said| {
                    Failure::new(Code::NameInvalid, said).with_detail(json!({ "name": name }))
                })
                .await?;
                Self::find(cx, name).await?.ok_or_else(|| unknown(name))?
            }
        };
        if place.through {
            let message = "This name is another registry's, from which it is pulled through: nothing is pushed to it.";
            return Err(Failure::new(Code::Denied, message).with_detail(json!({ "name": name })));
        }
        let repository = place.repository()?;
        Ok((place, repository, user))
    }

    fn repository(&self) -> Answer<Ref<repository::Entity>> {
        self.follows.clone().ok_or_else(|| {
            let message = "What is offered under this name is a fixed version, which nothing changes.";
            Failure::new(Code::Denied, message).with_detail(json!({ "name": self.name }))
        })
    }

    /// That the unit with the key `unit`, an expression, can be read here: it is in the version, or was pushed and is in
    /// none yet.
    pub(super) fn has(&self, sql: &mut Sql, unit: &str) -> String {
        let version = self.offer.version().map(|version| sql.is_in(version, unit));
        let pending = self.follows.as_ref().map(|repository| sql.is_pending(repository.id, unit));
        match (version, pending) {
            (Some(version), Some(pending)) => format!("({version} OR {pending})"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => "1 = 0".to_owned(),
        }
    }

    /// That it is in the version.
    pub(super) fn holds(&self, sql: &mut Sql, unit: &str) -> String {
        self.offer.version().map_or_else(|| "1 = 0".to_owned(), |version| sql.is_in(version, unit))
    }
}

/// What a distribution's rows say.
struct Said {
    private: bool,
    through: bool,
    follows: Option<Ref<repository::Entity>>,
}

async fn said(cx: &LiveCx, distribution: Uuid) -> Result<Option<Said>> {
    #[derive(FromQueryResult)]
    struct Row {
        private: bool,
        through: bool,
        repository_id: Option<Uuid>,
        pulp_type: Option<String>,
    }
    let sql = "SELECT c.private AS private, c.pull_through_distribution_id IS NOT NULL AS through, \
                 d.repository_id AS repository_id, r.pulp_type AS pulp_type \
               FROM container_containerdistribution c \
               JOIN core_distribution d ON d.pulp_id = c.distribution_ptr_id \
               LEFT JOIN core_repository r ON r.pulp_id = d.repository_id \
               WHERE c.distribution_ptr_id = $1";
    let found: Option<Row> = rows(cx.app.db.read(), sql, vec![distribution.into()]).await?.pop();
    let Some(row) = found else { return Ok(None) };
    let follows = match row.repository_id.zip(row.pulp_type) {
        Some((id, pulp_type)) => Some(Ref::of(&pulp_type, id)?),
        None => None,
    };
    Ok(Some(Said { private: row.private, through: row.through, follows }))
}

/// The refusal of a name that nobody offers.
pub(super) fn unknown(name: &str) -> Failure {
    let message = format!("There is no repository '{name}' in this registry.");
    Failure::new(Code::NameUnknown, message).with_detail(json!({ "name": name }))
}

/// A fault that has no code: for what cannot be.
pub(super) fn gone(what: &str) -> Failure {
    Failure::Core(Error::internal(format!("{what} that was just there is gone")))
}
