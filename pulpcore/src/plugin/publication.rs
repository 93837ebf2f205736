//! Publications.

use super::detail::Detail;
use super::task::Task;
use crate::error::Result;
use crate::models::publication;
pub use crate::publish::Publisher;

/// A kind of publication: a repository version made ready to serve. They are made by a task.
///
/// ```
/// use pulpcore::error::Result;
/// use pulpcore::models::{publication, repository_version};
/// use pulpcore::plugin::{Detail, NoFields, Noun, Publication, Publisher, Task, TaskCx, VersionRef, register};
/// # mod issue {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_issue")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for issue::Entity {
/// #     type Master = publication::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.issue";
/// #     const MODEL: &'static str = "Issue";
/// #     const ENDPOINT: &'static str = "issue";
/// #     fn read(_: &issue::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut issue::Model, _: NoFields) {}
/// # }
///
/// /// Publishes a version.
/// #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
/// #[schema(as = doc::Publish)]
/// pub struct Publish {
///     #[schema(value_type = String, format = "uri")]
///     repository_version: VersionRef,
/// }
///
/// impl Task for Publish {
///     const TYPE: &'static str = "doc/publications";
///     const NAME: &'static str = "pulp_doc.app.tasks.publish";
///
///     async fn run(self, cx: TaskCx) -> Result<()> {
///         let version = self.repository_version.find(cx.db().read(), "repository_version").await?;
///         let publisher = Publisher::new(&cx, version).with_content();
///         publisher.complete::<issue::Entity>(issue::Model::default()).await?;
///         Ok(())
///     }
/// }
///
/// impl Publication for issue::Entity {
///     type Publish = Publish;
///
///     fn publish(_: NoFields, version: &repository_version::Model, _checkpoint: bool) -> Result<Publish> {
///         Ok(Publish { repository_version: VersionRef::new(version.pulp_id) })
///     }
/// }
///
/// register!(Noun::publication::<issue::Entity>());
/// # fn main() {}
/// ```
pub trait Publication: Detail<Master = publication::Entity> {
    /// The task that makes one.
    type Publish: Task;

    /// The task for what a client posted: the plugin's fields and core's (`repository_version`, `checkpoint`).
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`], naming the field.
    fn publish(
        body: Self::Body,
        version: &crate::models::repository_version::Model,
        checkpoint: bool,
    ) -> Result<Self::Publish>;
}
