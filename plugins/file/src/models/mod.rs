//! The plugin's tables, one a file, each with the trait that makes it a noun right under it.

pub mod content;
pub mod distribution;
pub mod publication;
pub mod remote;
pub mod repository;

pub use self::content::Entity as FileContent;
pub use self::distribution::Entity as FileDistribution;
pub use self::publication::Entity as FilePublication;
pub use self::remote::Entity as FileRemote;
pub use self::repository::Entity as FileRepository;
