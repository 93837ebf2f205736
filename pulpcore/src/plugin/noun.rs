//! A registered noun, its entity type erased into function pointers. This happens once, here.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::response::Response;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseConnection, EntityTrait, FromQueryResult, IdenStatic, IntoActiveModel,
    Iterable, PrimaryKeyToColumn, QueryFilter, QueryResult, Value as DbValue,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::content::{Content, Upload};
use super::detail::Detail;
use super::distribution::{Asked, ContentCx, Distribution};
use super::guard::{Beside, ContentGuard, GuardHooks};
use super::publication::Publication;
use super::remote::{Pull, Remote};
use super::repository::{NewVersion, Repository};
use super::task::{Prepared, Task};
use crate::api::endpoint::{Described, Endpoint};
use crate::api::filters::Filters;
use crate::api::reader::Reader;
use crate::api::validate::BodySchema;
use crate::app::App;
use crate::db::{WriteTx, Writing};
use crate::error::Result;
use crate::models::{
    artifact, content, content_guard, distribution, publication, remote, repository, repository_version,
};
use crate::sync::download::{Downloader, RemoteConfig};
use crate::tasking::cx::TaskCx;
use crate::versions;

type Object = Map<String, Value>;
type Answer<'a, T> = BoxFuture<'a, Result<T>>;
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The six core tables that plugins detail.
///
/// ```
/// use pulpcore::plugin::Family;
/// assert_eq!(Family::Repository.collection(), "repositories");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Content units.
    Content,
    /// Repositories.
    Repository,
    /// Remotes.
    Remote,
    /// Publications.
    Publication,
    /// Distributions.
    Distribution,
    /// Content guards.
    ContentGuard,
}

impl Family {
    /// The first segment of the family's URLs.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Repository => "repositories",
            Self::Remote => "remotes",
            Self::Publication => "publications",
            Self::Distribution => "distributions",
            Self::ContentGuard => "contentguards",
        }
    }
}

/// A core table that plugins detail. Only core implements it.
///
/// ```
/// use pulpcore::models::repository;
/// use pulpcore::plugin::{Family, Master};
/// assert_eq!(<repository::Entity as Master>::FAMILY, Family::Repository);
/// ```
pub trait Master: EntityTrait<Model: Send + Sync> {
    /// Which one it is.
    const FAMILY: Family;
}

macro_rules! masters {
    ($($entity:ident = $family:ident),*) => {
        $(impl Master for $entity::Entity {
            const FAMILY: Family = Family::$family;
        })*
    };
}
masters!(
    content = Content,
    repository = Repository,
    remote = Remote,
    publication = Publication,
    distribution = Distribution,
    content_guard = ContentGuard
);

/// A registered noun.
///
/// ```
/// use pulpcore::models::repository;
/// use pulpcore::plugin::{Detail, NoFields, Noun, Repository, register};
/// # mod shelf {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_shelf")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for shelf::Entity {
/// #     type Master = repository::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.shelf";
/// #     const MODEL: &'static str = "Shelf";
/// #     const ENDPOINT: &'static str = "shelf";
/// #     fn read(_: &shelf::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut shelf::Model, _: NoFields) {}
/// # }
/// # impl Repository for shelf::Entity {
/// #     const CONTENT: &'static [&'static str] = &[];
/// # }
/// // One line a noun; `actions` adds hand-written endpoints to the generated ones.
/// register!(Noun::repository::<shelf::Entity>().actions(|| Vec::new()));
/// # fn main() {}
/// ```
pub struct Noun {
    pub(crate) family: Family,
    pub(crate) type_name: &'static str,
    pub(crate) model: &'static str,
    pub(crate) endpoint: &'static str,
    pub(crate) table: fn() -> Table,
    pub(crate) described: fn() -> Described,
    pub(crate) fields: fn() -> BTreeSet<String>,
    pub(crate) filters: fn() -> Filters,
    pub(crate) actions: fn() -> Vec<Endpoint>,
    /// Of the operations of its family, those that it does not have.
    omitted: &'static [&'static str],
    lacks: &'static [&'static str],
    /// The form of the upload that answers at once, where it is the plugin's own: its name, and what it does not have.
    pub(crate) upload_form: Option<(&'static str, &'static [&'static str])>,
    pub(crate) requires: &'static [&'static str],
    /// Checks a body beyond its schema.
    pub(crate) check: fn(Object) -> Result<()>,
    pub(crate) check_whole: for<'a> fn(&'a App, &'a Object) -> Answer<'a, ()>,
    pub(crate) written: for<'a> fn(&'a WriteTx, Uuid) -> Answer<'a, ()>,
    pub(crate) beside: for<'a> fn(&'a Reader, &'a [Uuid]) -> Answer<'a, Vec<Object>>,
    /// The body, as JSON, of a row whose columns stand in a larger one under their names with a prefix.
    pub(crate) read: fn(&QueryResult, &str) -> Result<String>,
    pub(crate) insert: for<'a> fn(&'a Writing, Uuid, Object) -> BoxFuture<'a, Result<()>>,
    pub(crate) update: for<'a> fn(&'a Writing, Uuid, Object) -> BoxFuture<'a, Result<()>>,
    pub(crate) hooks: Hooks,
}

/// What only one family has.
pub(crate) enum Hooks {
    Content(ContentHooks),
    Repository(RepositoryHooks),
    Remote(RemoteHooks),
    Publication(PublicationHooks),
    Distribution(DistributionHooks),
    ContentGuard(GuardHooks),
}

pub(crate) struct ContentHooks {
    pub(crate) repo_key: fn() -> Vec<String>,
    /// Reads what a client posted; what comes of it finds or inserts the unit.
    pub(crate) upload: Posted,
    /// The same for a file that was pulled through, by its path; none if no unit is made of it.
    pub(crate) pulled: for<'a> fn(&'a Writing, &'a str, &'a artifact::Model, Uuid) -> Answer<'a, Option<Uploaded>>,
}

type Posted = for<'a> fn(&'a App, Object, Option<&'a artifact::Model>) -> Answer<'a, Box<dyn Save>>;

/// A unit that was made and is not saved yet.
pub(crate) trait Save: Send {
    /// Finds or inserts it: its key, the path of its file, and whether it is new.
    fn save<'a>(self: Box<Self>, tx: &'a Writing, domain: Uuid) -> Answer<'a, Uploaded>;
}

struct Unsaved<E: Content>(Upload<E::Model>);

impl<E: Content> Save for Unsaved<E> {
    fn save<'a>(self: Box<Self>, tx: &'a Writing, domain: Uuid) -> Answer<'a, Uploaded> {
        Box::pin(found_or_made::<E>(tx, self.0, domain))
    }
}

/// A unit that came from an upload, or was pulled through.
pub(crate) struct Uploaded {
    pub(crate) id: Uuid,
    pub(crate) relative_path: String,
    pub(crate) new: bool,
}

pub(crate) struct RemoteHooks {
    pub(crate) written_elsewhere: &'static [&'static str],
    pub(crate) policies: &'static [&'static str],
    pub(crate) pull: for<'a> fn(&'a DatabaseConnection, &'a remote::Model, &'a str) -> Answer<'a, Option<Pull>>,
    pub(crate) downloader: fn(Arc<dyn Downloader>, &RemoteConfig) -> Arc<dyn Downloader>,
}

pub(crate) struct RepositoryHooks {
    pub(crate) content: &'static [&'static str],
    pub(crate) remotes: &'static [&'static str],
    pub(crate) pull_through: bool,
    pub(crate) finalize: for<'a> fn(&'a mut NewVersion<'_>) -> BoxFuture<'a, Result<()>>,
    pub(crate) created: for<'a> fn(&'a TaskCx, Uuid, &'a repository_version::Model) -> BoxFuture<'a, Result<()>>,
}

pub(crate) struct PublicationHooks {
    pub(crate) publish: fn(Object, &repository_version::Model, bool) -> Result<(&'static str, Prepared)>,
}

pub(crate) struct DistributionHooks {
    pub(crate) publications: &'static [&'static str],
    pub(crate) serves_versions: bool,
    pub(crate) asked: fn(&str) -> Asked,
    pub(crate) cache_control: fn(&str) -> Option<&'static str>,
    pub(crate) remotes: &'static [&'static str],
    pub(crate) holds: &'static [&'static str],
    pub(crate) serve: for<'a> fn(&'a ContentCx, &'a str) -> BoxFuture<'a, Result<Option<Response>>>,
}

/// A detail table, by name.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) columns: Vec<String>,
    /// Columns that no answer needs.
    pub(crate) unread: Vec<String>,
}

impl Noun {
    /// A kind of content.
    pub const fn content<E: Content>() -> Self {
        Self::of::<E>(Hooks::Content(ContentHooks {
            repo_key: || columns::<E>(E::REPO_KEY),
            upload: |app, body, artifact| {
                Box::pin(async move {
                    let unit = E::from_post(app, BodySchema::parse(body)?, artifact).await?;
                    Ok(Box::new(Unsaved::<E>(unit)) as Box<dyn Save>)
                })
            },
            pulled: |tx, path, artifact, domain| {
                Box::pin(async move {
                    match E::from_path(path, artifact)? {
                        Some(unit) => found_or_made::<E>(tx, unit, domain).await.map(Some),
                        None => Ok(None),
                    }
                })
            },
        }))
    }

    /// A kind of repository.
    pub const fn repository<E: Repository>() -> Self {
        Self::of::<E>(Hooks::Repository(RepositoryHooks {
            content: E::CONTENT,
            remotes: E::REMOTES,
            pull_through: E::PULL_THROUGH,
            finalize: |version| Box::pin(E::finalize(version)),
            created: |cx, id, version| {
                Box::pin(async move {
                    let row = E::find().filter(key::<E>().eq(id)).one(cx.db().read()).await?;
                    let row = row.ok_or_else(|| crate::api::not_found(E::MODEL))?;
                    E::created(cx, &row, version).await
                })
            },
        }))
    }

    /// A kind of remote.
    pub const fn remote<E: Remote>() -> Self {
        Self::of::<E>(Hooks::Remote(RemoteHooks {
            policies: E::POLICIES,
            written_elsewhere: E::WRITTEN_ELSEWHERE,
            downloader: E::downloader,
            pull: |db, remote, path| {
                Box::pin(async move {
                    match E::find().filter(key::<E>().eq(remote.pulp_id)).one(db).await? {
                        Some(row) => E::pull(remote, &row, path),
                        None => Ok(None),
                    }
                })
            },
        }))
    }

    /// A kind of publication.
    pub const fn publication<E: Publication>() -> Self {
        Self::of::<E>(Hooks::Publication(PublicationHooks {
            publish: |body, version, checkpoint| {
                let task = E::publish(BodySchema::parse(body)?, version, checkpoint)?;
                Ok((E::Publish::TYPE, Prepared::new(&task)?))
            },
        }))
    }

    /// A kind of distribution.
    pub const fn distribution<E: Distribution>() -> Self {
        Self::of::<E>(Hooks::Distribution(DistributionHooks {
            publications: E::PUBLICATIONS,
            serves_versions: E::SERVES_VERSIONS,
            asked: E::asked,
            cache_control: E::cache_control,
            remotes: E::REMOTES,
            holds: E::HOLDS,
            serve: |cx, path| {
                Box::pin(async move {
                    let id = cx.distribution.pulp_id;
                    match E::find().filter(key::<E>().eq(id)).one(cx.app.db.read()).await? {
                        Some(row) => E::serve(cx, &row, path).await,
                        None => Ok(None),
                    }
                })
            },
        }))
    }

    /// A kind of content guard.
    pub const fn content_guard<E: ContentGuard>() -> Self {
        Self::of::<E>(Hooks::ContentGuard(GuardHooks::of::<E>()))
    }

    /// Says where the fields of a content guard stand that are in no row of its own.
    pub(crate) const fn with_beside(mut self, beside: Beside) -> Self {
        if let Hooks::ContentGuard(hooks) = &mut self.hooks {
            hooks.beside = Some(beside);
        }
        self
    }

    /// Adds hand-written endpoints beside the generated ones.
    #[must_use]
    pub const fn actions(mut self, actions: fn() -> Vec<Endpoint>) -> Self {
        self.actions = actions;
        self
    }

    /// Takes operations away that others of its family have, by the last part of their ids: `create`, `delete`, `modify`,
    /// `upload`, …
    ///
    /// ```
    /// use pulpcore::plugin::{Content, Noun};
    ///
    /// /// Units that no client uploads.
    /// const fn made_by_sync<E: Content>() -> Noun {
    ///     Noun::content::<E>().without(&["create", "upload"])
    /// }
    /// ```
    #[must_use]
    pub const fn without(mut self, operations: &'static [&'static str]) -> Self {
        self.omitted = operations;
        self
    }

    /// Names the form of the upload that answers at once, and says which of the unit's fields it lacks. Such an upload answers
    /// with the unit, under the name that it has everywhere. In Pulp plugins write these forms by hand.
    ///
    /// ```
    /// use pulpcore::plugin::{Content, Noun};
    ///
    /// /// Units whose path nobody chooses.
    /// const fn named<E: Content>() -> Noun {
    ///     Noun::content::<E>().upload_form("PageUpload", &["relative_path"])
    /// }
    /// ```
    #[must_use]
    pub const fn upload_form(mut self, name: &'static str, without: &'static [&'static str]) -> Self {
        self.upload_form = Some((name, without));
        self
    }

    const fn of<E: Detail>(hooks: Hooks) -> Self {
        Self {
            family: E::Master::FAMILY,
            type_name: E::TYPE,
            model: E::MODEL,
            endpoint: E::ENDPOINT,
            table: || Table {
                name: E::default().table_name().to_owned(),
                key: key::<E>().as_str().to_owned(),
                columns: E::Column::iter().map(|column| column.as_str().to_owned()).collect(),
                unread: columns::<E>(E::UNREAD),
            },
            described: Described::of::<E::Body>,
            fields: crate::api::shape::field_names::<E::Body>,
            filters: E::filters,
            actions: Vec::new,
            omitted: &[],
            lacks: E::LACKS,
            upload_form: None,
            requires: E::REQUIRES,
            check: |body| E::check(&BodySchema::parse::<E::Body>(body)?),
            check_whole: |app, body| Box::pin(E::check_whole(app, body)),
            written: |tx, id| Box::pin(E::written(tx, id)),
            beside: |reader, ids| Box::pin(E::beside(reader, ids)),
            read: |row, prefix| Ok(serde_json::to_string(&E::read(&E::Model::from_query_result(row, prefix)?))?),
            insert: |tx, id, body| {
                Box::pin(async move {
                    let mut row = E::Model::default();
                    E::write(&mut row, BodySchema::parse(body)?);
                    insert::<E>(tx, id, row).await
                })
            },
            update: |tx, id, body| {
                Box::pin(async move {
                    let row = E::find().filter(key::<E>().eq(id)).one(tx).await?;
                    let mut row = row.ok_or_else(|| crate::api::not_found(E::MODEL))?;
                    E::write(&mut row, BodySchema::parse(body)?);
                    let mut columns = row.into_active_model().reset_all();
                    columns.set(key::<E>(), DbValue::from(id));
                    // A table of nothing but its key has nothing to update.
                    if E::Column::iter().count() > 1 {
                        E::update_many().set(columns).filter(key::<E>().eq(id)).exec(tx).await?;
                    }
                    Ok(())
                })
            },
            hooks,
        }
    }

    /// Fields that are written only, and kept as others.
    pub(crate) fn written_elsewhere(&self) -> &'static [&'static str] {
        match &self.hooks {
            Hooks::Remote(hooks) => hooks.written_elsewhere,
            _ => &[],
        }
    }

    /// The plugin's label.
    pub(crate) fn label(&self) -> &'static str {
        self.type_name.split_once('.').map_or(self.type_name, |(label, _)| label)
    }

    /// The model's name in PRNs: `file.filerepository`.
    pub(crate) fn prn_model(&self) -> &'static str {
        crate::registry::get().prn_model(self)
    }

    /// Where it stands below the API root: `repositories/file/file/`.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}/{}/", self.family.collection(), self.label(), self.endpoint)
    }

    /// Whether it does not have one of core's fields of its family.
    pub(crate) fn lacks(&self, field: &str) -> bool {
        let no_remote = matches!(&self.hooks, Hooks::Distribution(hooks) if hooks.remotes.is_empty());
        self.lacks.contains(&field) || (no_remote && field == "remote")
    }

    /// Whether it lacks fields that others of its family always show.
    pub(crate) fn lacks_any(&self) -> bool {
        !self.lacks.is_empty()
    }

    /// Whether it does not have one of the operations of its family.
    pub(crate) fn omits(&self, operation: &str) -> bool {
        self.omitted.contains(&operation)
    }

    /// The schema's name: `file.FileRepository`. Core's own have no label before them, as in Pulp.
    pub(crate) fn schema_name(&self) -> String {
        match self.label() {
            "core" => self.model.to_owned(),
            label => format!("{label}.{}", self.model),
        }
    }
}

impl fmt::Debug for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noun").field("family", &self.family).field("type", &self.type_name).finish_non_exhaustive()
    }
}

/// The key column of an entity.
pub(crate) fn key<E: EntityTrait>() -> E::Column {
    E::PrimaryKey::iter().next().expect("sea-orm refuses entities without a primary key").into_column()
}

/// Inserts a detail row under a master's key.
pub(crate) async fn insert<E: Detail>(tx: &Writing, id: Uuid, row: E::Model) -> Result<()> {
    let mut columns = row.into_active_model().reset_all();
    columns.set(key::<E>(), DbValue::from(id));
    E::insert(columns).exec_without_returning(tx).await?;
    Ok(())
}

fn columns<E: EntityTrait>(columns: &[E::Column]) -> Vec<String> {
    columns.iter().map(|column| column.as_str().to_owned()).collect()
}

async fn found_or_made<E: Content>(tx: &Writing, unit: Upload<E::Model>, domain: Uuid) -> Result<Uploaded> {
    let Upload { row, relative_path } = unit;
    let (id, new) = versions::find_or_make::<E>(tx, domain, row.clone()).await?;
    if new {
        E::saved(tx, id, &row).await?;
    }
    Ok(Uploaded { id, relative_path, new })
}
