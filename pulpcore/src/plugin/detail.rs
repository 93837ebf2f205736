//! What all nouns share: a table of the plugin's own columns beside one of core's.

use sea_orm::{EntityTrait, IntoActiveModel, ModelTrait};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::noun::Master;
use crate::api::filters::Filters;
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
