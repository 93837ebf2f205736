//! Publications.

use super::detail::Detail;
use super::task::Task;
use crate::error::Result;
use crate::models::publication;
pub use crate::publish::Publisher;

/// A kind of publication: a repository version made ready to serve. They are made by a task.
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
