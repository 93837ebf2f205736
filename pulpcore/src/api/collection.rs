//! Collections of a plugin's own, beside its nouns.

use std::fmt;
use std::future::Future;

use sea_orm::{EntityTrait, IntoActiveModel, ModelTrait};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::endpoint::Endpoint;
use super::filters::Filters;
use super::resources::collections;
use crate::app::App;
use crate::error::Result;
use crate::plugin::BoxFuture;

/// A thing of a plugin's own that is none of the six nouns: a table whose rows clients list, make, read and delete.
///
/// The table has the columns that most of core's have: `pulp_id`, `pulp_created`, `pulp_last_updated` and `pulp_domain_id`.
///
/// ```
/// use pulpcore::api::collection::{Collection, NewRow, Resource};
/// use pulpcore::plugin::register;
/// use serde::{Deserialize, Serialize};
/// use utoipa::ToSchema;
/// # mod room {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_room")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key, auto_increment = false)]
/// #         pub pulp_id: Uuid,
/// #         pub pulp_created: TimeDateTimeWithTimeZone,
/// #         pub pulp_last_updated: TimeDateTimeWithTimeZone,
/// #         pub pulp_domain_id: Uuid,
/// #         pub name: String,
/// #     }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
///
/// /// A room with shelves.
/// #[derive(Serialize, Deserialize, ToSchema)]
/// #[schema(as = doc::Room)]
/// pub struct RoomBody {
///     /// What is written on its door.
///     #[schema(min_length = 1)]
///     name: String,
/// }
///
/// impl Resource for room::Entity {
///     const LABEL: &'static str = "doc";
///     const MODEL: &'static str = "Room";
///     const PATH: &'static str = "pulp_doc/rooms/"; // …/api/v3/pulp_doc/rooms/
///     type Body = RoomBody;
///
///     fn read(row: &room::Model) -> RoomBody {
///         RoomBody { name: row.name.clone() }
///     }
///
///     fn make(new: NewRow, body: RoomBody) -> room::Model {
///         let NewRow { id, now, domain } = new;
///         room::Model { pulp_id: id, pulp_created: now, pulp_last_updated: now, pulp_domain_id: domain, name: body.name }
///     }
/// }
///
/// register!(Collection::of::<room::Entity>());
/// # fn main() {}
/// ```
pub trait Resource:
    EntityTrait<Model: ModelTrait<Entity = Self> + IntoActiveModel<Self::ActiveModel> + Send + Sync, ActiveModel: Send>
{
    /// The plugin's label.
    const LABEL: &'static str;
    /// The model's name, such as `ContainerNamespace`: in PRNs, schema names and 404s.
    const MODEL: &'static str;
    /// Where the collection stands below the API root: two segments, `pulp_container/namespaces/`.
    const PATH: &'static str;
    /// The fields, as clients read and write them.
    type Body: Serialize + DeserializeOwned + ToSchema + Send + 'static;

    /// The row as clients read it.
    fn read(row: &Self::Model) -> Self::Body;

    /// A new row.
    fn make(new: NewRow, body: Self::Body) -> Self::Model;

    /// Refuses a body that a schema alone cannot refuse.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`], naming the field.
    fn check(_app: &App, _body: &Self::Body) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Filters and orderings over the plugin's own columns.
    fn filters() -> Filters {
        Filters::new()
    }
}

/// What core says of a new row.
#[derive(Clone, Copy, Debug)]
pub struct NewRow {
    /// Its key.
    pub id: Uuid,
    /// The present.
    pub now: OffsetDateTime,
    /// The domain that it lives in.
    pub domain: Uuid,
}

/// A registered [`Resource`], its type erased.
pub struct Collection {
    pub(crate) label: &'static str,
    pub(crate) model: &'static str,
    pub(crate) path: &'static str,
    pub(crate) endpoints: fn() -> Vec<Endpoint>,
    pub(crate) delete: for<'a> fn(&'a App, Uuid) -> BoxFuture<'a, Result<()>>,
}

impl Collection {
    /// The collection of a resource.
    pub const fn of<E: Resource>() -> Self {
        Self {
            label: E::LABEL,
            model: E::MODEL,
            path: E::PATH,
            endpoints: collections::endpoints_of::<E>,
            delete: |app, id| Box::pin(collections::delete::<E>(app, id)),
        }
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").field("path", &self.path).finish_non_exhaustive()
    }
}

inventory::collect!(Collection);
