//! What all nouns share: a table of the plugin's own columns beside one of core's.

use std::future::Future;

use sea_orm::{EntityTrait, IntoActiveModel, ModelTrait};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::noun::Master;
use crate::api::filters::Filters;
use crate::api::reader::Reader;
use crate::app::App;
use crate::db::WriteTx;
use crate::error::Result;

/// A plugin's table, joined one to one with a core table by primary key: the detail's key *is* the master's key.
///
/// The entity is the type token; its key column must be a `Uuid`.
///
/// ```
/// use pulpcore::models::repository;
/// use pulpcore::plugin::Detail;
/// use serde::{Deserialize, Serialize};
/// use utoipa::ToSchema;
/// # mod shelf {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_shelf")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid, pub room: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
///
/// /// What clients read and write of a shelf, beside a repository's own fields.
/// #[derive(Serialize, Deserialize, ToSchema)]
/// #[schema(as = doc::Shelf)]
/// pub struct ShelfBody {
///     /// Where it stands.
///     #[schema(min_length = 1)]
///     room: String,
/// }
///
/// impl Detail for shelf::Entity {
///     type Master = repository::Entity;
///     type Body = ShelfBody;
///     const TYPE: &'static str = "doc.shelf";
///     const MODEL: &'static str = "Shelf";
///     const ENDPOINT: &'static str = "shelves"; // …/api/v3/repositories/doc/shelves/
///
///     fn read(row: &shelf::Model) -> ShelfBody {
///         ShelfBody { room: row.room.clone() }
///     }
///
///     fn write(row: &mut shelf::Model, body: ShelfBody) {
///         row.room = body.room;
///     }
/// }
///
/// let mut row = shelf::Model::default();
/// shelf::Entity::write(&mut row, ShelfBody { room: "cellar".to_owned() });
/// assert_eq!(shelf::Entity::read(&row).room, "cellar");
/// ```
pub trait Detail: EntityTrait<Model: DetailModel<Self>, ActiveModel: Send> {
    /// Whose detail it is: the entity of a core table.
    type Master: Master;
    /// The type in `pulp_type`: `<label>.<noun>`, such as `file.file`.
    const TYPE: &'static str;
    /// The model's name, such as `FileRepository`: in PRNs, schema names and 404s.
    const MODEL: &'static str;
    /// The last segment of its URLs: `file` in `repositories/file/file/`.
    const ENDPOINT: &'static str;
    /// The plugin's own fields, as clients read and write them. `#[schema(read_only)]` and `#[schema(write_only)]` fields
    /// appear on one side only; the schema's rules (`minimum`, `min_length`, …) are enforced before the body gets here.
    type Body: Serialize + DeserializeOwned + ToSchema + Send + 'static;
    /// Of core's fields of the family, those that this kind does not have. The body may have fields of these names.
    const LACKS: &'static [&'static str] = &[];
    /// Of core's fields of the family, those that this kind demands, though others do not.
    const REQUIRES: &'static [&'static str] = &[];
    /// Columns of text that clients do not see and that are too large for a page of rows: [`Detail::read`] finds them
    /// empty.
    const UNREAD: &'static [Self::Column] = &[];

    /// The row as clients read it.
    fn read(row: &Self::Model) -> Self::Body;

    /// Puts what a client wrote into the row (a new one holds defaults and its key).
    fn write(row: &mut Self::Model, body: Self::Body);

    /// Refuses a body that a schema alone cannot refuse.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`], naming the field.
    fn check(_body: &Self::Body) -> Result<()> {
        Ok(())
    }

    /// Filters and orderings over the plugin's own columns.
    fn filters() -> Filters {
        Filters::new()
    }

    /// Fields that clients read and that stand in other tables than the row: those of many rows at once, in the order of
    /// their keys; nothing if there are none. The body declares them, and [`Detail::read`] leaves them out.
    ///
    /// # Errors
    /// If the database fails.
    fn beside(_reader: &Reader, _keys: &[Uuid]) -> impl Future<Output = Result<Vec<Map<String, Value>>>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Refuses a body by what only the whole says, core's fields and the plugin's, or by what the database holds.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`], naming the field.
    fn check_whole(_app: &App, _body: &Map<String, Value>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Runs in the transaction that creates or changes a thing, once its rows are written: the place to write what follows
    /// from them. Content and publications are not made this way.
    ///
    /// # Errors
    /// Whatever refuses it; nothing is written then.
    fn written(_tx: &WriteTx, _key: Uuid) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}

/// What a detail's row must be able to do; true of every derived model with `Default`.
pub trait DetailModel<E: EntityTrait>:
    ModelTrait<Entity = E> + Default + IntoActiveModel<E::ActiveModel> + Send + Sync
{
}

impl<E: EntityTrait, M> DetailModel<E> for M where
    M: ModelTrait<Entity = E> + Default + IntoActiveModel<E::ActiveModel> + Send + Sync
{
}

/// The body of a noun without fields of its own.
///
/// ```
/// use pulpcore::plugin::NoFields;
/// assert_eq!(serde_json::to_string(&NoFields {}).unwrap(), "{}");
/// ```
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct NoFields {}
