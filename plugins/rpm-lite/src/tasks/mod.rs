//! What happens in the background, one task a file.

mod add;
mod comps;
pub mod copy;
pub mod prune;
pub mod publish;
mod synchronize;

pub use self::add::Change;
pub use self::comps::UploadComps;
pub use self::copy::Copy;
pub use self::prune::Prune;
pub use self::publish::Publish;
pub use self::synchronize::Synchronize;
