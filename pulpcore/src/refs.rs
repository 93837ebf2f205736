//! Names of things: hrefs and PRNs, and the typed references that bodies and tasks hold.
//!
//! A PRN (`prn:file.filerepository:<uuid>`) names a thing wherever the API is mounted; an href is where it answers. Both
//! are accepted in bodies and filters; hrefs under any API root are. Locks, task parameters and created resources are
//! kept as PRNs.

use std::fmt;
use std::marker::PhantomData;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::models::{artifact, repository_version, signing_service, task, upload};
use crate::plugin::{Detail, Master};
use crate::registry;

/// What an href or a PRN points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A thing with a UUID, by its model's PRN name.
    Object { model: &'static str, id: Uuid },
    /// A repository version by number.
    Version { repository: Uuid, number: i64 },
    /// A user.
    User(i64),
}

/// Core's own collections with UUID keys: URL segment and PRN name.
pub(crate) const CORE_MODELS: &[(&str, &str)] = &[
    ("artifacts", "core.artifact"),
    ("domains", "core.domain"),
    ("signing-services", "core.signingservice"),
    ("task-groups", "core.taskgroup"),
    ("task-schedules", "core.taskschedule"),
    ("tasks", "core.task"),
    ("uploads", "core.upload"),
    ("workers", "core.appstatus"),
];

/// The PRN name of repository versions.
pub(crate) const VERSION_MODEL: &str = "core.repositoryversion";
/// The PRN name of users.
pub(crate) const USER_MODEL: &str = "auth.user";

impl Target {
    /// Reads an href (under any API root, with or without a host) or a PRN.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("prn:") {
            Some(prn) => Self::parse_prn(prn),
            None => Self::parse_href(text),
        }
    }

    /// The PRN of the thing at an href.
    pub(crate) fn prn_of(href: &str) -> Option<String> {
        match Self::parse(href)? {
            Self::Object { model, id } => Some(prn(model, id)),
            _ => None,
        }
    }

    fn parse_prn(prn: &str) -> Option<Self> {
        let (model, id) = prn.split_once(':')?;
        if model == USER_MODEL {
            return Some(Self::User(id.parse().ok()?));
        }
        let id = Uuid::parse_str(id).ok()?;
        let core = CORE_MODELS.iter().map(|(_, model)| *model).chain([VERSION_MODEL]).find(|known| *known == model);
        let noun = || registry::get().noun_of_model(model).map(|noun| noun.prn_model());
        let collection = || registry::get().collection_of_model(model).map(|(model, _)| model);
        let model = core.or_else(noun).or_else(collection)?;
        Some(Self::Object { model, id })
    }

    fn parse_href(href: &str) -> Option<Self> {
        let (_, path) = href.split_once("/api/v3/")?;
        let parts: Vec<&str> = path.strip_suffix('/')?.split('/').collect();
        match parts[..] {
            ["users", id] => Some(Self::User(id.parse().ok()?)),
            [collection, id] => {
                let (_, model) = CORE_MODELS.iter().find(|(name, _)| *name == collection)?;
                Some(Self::Object { model, id: Uuid::parse_str(id).ok()? })
            }
            [first, second, id] => {
                let (model, _) = registry::get().collection_at(&format!("{first}/{second}/"))?;
                Some(Self::Object { model, id: Uuid::parse_str(id).ok()? })
            }
            [family, label, endpoint, id] => {
                let noun = registry::get().noun_at(family, label, endpoint)?;
                Some(Self::Object { model: noun.prn_model(), id: Uuid::parse_str(id).ok()? })
            }
            ["repositories", label, endpoint, id, "versions", number] => {
                registry::get().noun_at("repositories", label, endpoint)?;
                Some(Self::Version { repository: Uuid::parse_str(id).ok()?, number: number.parse().ok()? })
            }
            _ => None,
        }
    }
}

/// The PRN of a thing.
///
/// ```
/// assert_eq!(pulpcore::refs::prn("core.user", 1), "prn:core.user:1");
/// ```
pub fn prn(model: &str, id: impl fmt::Display) -> String {
    format!("prn:{model}:{id}")
}

/// What a [`Ref`] can point at: a plugin's noun, any noun of a family, or one of core's own things.
pub trait Referable: EntityTrait {
    /// Whether a PRN name is one of it.
    fn accepts(model: &str) -> bool;
}

impl<D: Detail> Referable for D {
    fn accepts(model: &str) -> bool {
        registry::get()
            .noun_of_model(model)
            .is_some_and(|noun| noun.type_name == D::TYPE && noun.family == D::Master::FAMILY)
    }
}

/// One of core's own things.
pub trait Own: Referable {
    /// Its PRN name.
    const MODEL: &'static str;
}

macro_rules! referable {
    (master: $($master:ident),*; own: $($own:ident = $model:literal),*) => {
        $(impl Referable for crate::models::$master::Entity {
            fn accepts(model: &str) -> bool {
                registry::get().noun_of_model(model).is_some_and(|noun| noun.family == <Self as Master>::FAMILY)
            }
        })*
        $(impl Referable for $own::Entity {
            fn accepts(model: &str) -> bool {
                model == $model
            }
        }

        impl Own for $own::Entity {
            const MODEL: &'static str = $model;
        })*
    };
}
referable!(
    master: content, repository, remote, publication, distribution, content_guard;
    own: artifact = "core.artifact", signing_service = "core.signingservice", upload = "core.upload", task = "core.task"
);

/// A typed reference in a body or a task: reads an href or a PRN, writes the PRN.
///
/// `Ref<file_repository::Entity>` takes file repositories only, `Ref<repository::Entity>` any repository. That the thing
/// exists is not checked here; the text alone says what kind it is.
///
/// ```
/// use pulpcore::models::artifact;
/// use pulpcore::plugin::Ref;
///
/// let href = "/pulp/api/v3/artifacts/01a1f7e1-97e2-7db2-a069-725c1ec19c78/";
/// let artifact: Ref<artifact::Entity> = serde_json::from_value(href.into()).unwrap();
/// assert_eq!(artifact.prn(), "prn:core.artifact:01a1f7e1-97e2-7db2-a069-725c1ec19c78");
///
/// let task = "/pulp/api/v3/tasks/01a1f7e1-97e2-7db2-a069-725c1ec19c78/";
/// assert!(serde_json::from_value::<Ref<artifact::Entity>>(task.into()).is_err());
/// ```
pub struct Ref<E> {
    /// The key.
    pub id: Uuid,
    model: &'static str,
    kind: PhantomData<fn() -> E>,
}

impl<E: Referable> Ref<E> {
    /// The thing's PRN; also the name of its lock.
    pub fn prn(&self) -> String {
        prn(self.model, self.id)
    }

    pub(crate) fn model(&self) -> &'static str {
        self.model
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        match Target::parse(text) {
            Some(Target::Object { model, id }) if E::accepts(model) => Ok(Self { id, model, kind: PhantomData }),
            Some(_) => Err("Invalid hyperlink - Incorrect URL match."),
            None => Err("Invalid hyperlink - No URL match."),
        }
    }
}

impl<D: Detail> Ref<D> {
    /// A reference to the thing with this key.
    pub fn new(id: Uuid) -> Self {
        let noun = registry::get().noun(D::Master::FAMILY, D::TYPE).expect("a noun in use is registered");
        Self { id, model: noun.prn_model(), kind: PhantomData }
    }

    /// The thing's row, as core has it.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `field` if there is none of this kind.
    pub async fn find(&self, db: &impl ConnectionTrait, field: &str) -> Result<<D::Master as EntityTrait>::Model> {
        let found = D::Master::find()
            .filter(Expr::col("pulp_id").eq(self.id))
            .filter(Expr::col("pulp_type").eq(D::TYPE))
            .one(db)
            .await?;
        found.ok_or_else(|| Error::missing(field))
    }
}

impl<O: Own> Ref<O> {
    /// A reference to the thing with this key.
    pub(crate) fn to(id: Uuid) -> Self {
        Self { id, model: O::MODEL, kind: PhantomData }
    }
}

impl<M: Master + Referable> Ref<M> {
    /// A reference to the thing with this `pulp_type` and key.
    ///
    /// # Errors
    /// If no plugin of this build has the type.
    pub fn of(pulp_type: &str, id: Uuid) -> Result<Self> {
        let noun = registry::get().noun(M::FAMILY, pulp_type).ok_or_else(|| registry::missing(pulp_type))?;
        Ok(Self { id, model: noun.prn_model(), kind: PhantomData })
    }
}

impl<E> Clone for Ref<E> {
    fn clone(&self) -> Self {
        Self { id: self.id, model: self.model, kind: PhantomData }
    }
}

impl<E> PartialEq for Ref<E> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<E> fmt::Debug for Ref<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E> fmt::Display for Ref<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prn:{}:{}", self.model, self.id)
    }
}

impl<E> Serialize for Ref<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, E: Referable> Deserialize<'de> for Ref<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl<E> PartialSchema for Ref<E> {
    fn schema() -> RefOr<Schema> {
        uri_schema()
    }
}

impl<E> ToSchema for Ref<E> {}

/// A reference to a repository version: an href (`…/versions/3/`) or a PRN, kept as written.
///
/// ```
/// use pulpcore::plugin::VersionRef;
///
/// let prn = "prn:core.repositoryversion:01a1f7e1-993b-736b-81c7-3b5b767bdc8e";
/// let version: VersionRef = serde_json::from_value(prn.into()).unwrap();
/// assert_eq!(serde_json::to_value(&version).unwrap(), prn);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct VersionRef(String);

impl VersionRef {
    /// A reference to the version with this key.
    pub fn new(id: Uuid) -> Self {
        Self(prn(VERSION_MODEL, id))
    }

    /// A link to show: the version's href.
    pub(crate) fn shown(href: &str) -> Self {
        Self(href.to_owned())
    }

    /// The version.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `field` if there is none.
    pub async fn find(&self, db: &impl ConnectionTrait, field: &str) -> Result<repository_version::Model> {
        let query = match Target::parse(&self.0) {
            Some(Target::Object { model: VERSION_MODEL, id }) => repository_version::Entity::find_by_id(id),
            Some(Target::Version { repository, number }) => repository_version::Entity::find()
                .filter(repository_version::Column::RepositoryId.eq(repository))
                .filter(repository_version::Column::Number.eq(number)),
            _ => return Err(Error::invalid(field, "Invalid hyperlink - No URL match.")),
        };
        let version = query.one(db).await?;
        version.ok_or_else(|| Error::missing(field))
    }
}

impl<'de> Deserialize<'de> for VersionRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match Target::parse(&text) {
            Some(Target::Version { .. } | Target::Object { model: VERSION_MODEL, .. }) => Ok(Self(text)),
            Some(_) => Err(serde::de::Error::custom("Invalid hyperlink - Incorrect URL match.")),
            None => Err(serde::de::Error::custom("Invalid hyperlink - No URL match.")),
        }
    }
}

impl PartialSchema for VersionRef {
    fn schema() -> RefOr<Schema> {
        uri_schema()
    }
}

impl ToSchema for VersionRef {}

fn uri_schema() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("uri".to_owned()))).into()
}

/// A reference in a body that clients both read and write: reads an href or a PRN, writes the text that it was made with.
pub struct Link<E> {
    /// The key.
    pub id: Uuid,
    text: String,
    kind: PhantomData<fn() -> E>,
}

impl<E> Link<E> {
    /// A link to show: a key and its href.
    pub fn to(id: Uuid, href: impl Into<String>) -> Self {
        Self { id, text: href.into(), kind: PhantomData }
    }
}

impl<E> fmt::Debug for Link<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E> Serialize for Link<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, E: Referable> Deserialize<'de> for Link<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Ref::<E> { id, .. } = Ref::parse(&text).map_err(serde::de::Error::custom)?;
        Ok(Self { id, text, kind: PhantomData })
    }
}

impl<E> PartialSchema for Link<E> {
    fn schema() -> RefOr<Schema> {
        uri_schema()
    }
}

impl<E> ToSchema for Link<E> {}
