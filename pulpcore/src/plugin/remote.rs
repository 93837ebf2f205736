//! Remotes.

use super::detail::Detail;
use crate::models::remote;

/// A kind of remote: a place that content comes from.
///
/// ```
/// use pulpcore::models::remote;
/// use pulpcore::plugin::{Detail, NoFields, Noun, Remote, register};
/// # mod mirror {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_mirror")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for mirror::Entity {
/// #     type Master = remote::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.mirror";
/// #     const MODEL: &'static str = "Mirror";
/// #     const ENDPOINT: &'static str = "mirror";
/// #     fn read(_: &mirror::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut mirror::Model, _: NoFields) {}
/// # }
///
/// impl Remote for mirror::Entity {
///     // Nothing is downloaded later than the sync.
///     const POLICIES: &'static [&'static str] = &["immediate"];
/// }
///
/// register!(Noun::remote::<mirror::Entity>());
/// # fn main() {}
/// ```
pub trait Remote: Detail<Master = remote::Entity> {
    /// The policies that it offers, the default first.
    const POLICIES: &'static [&'static str] = &["immediate", "on_demand", "streamed"];
}
