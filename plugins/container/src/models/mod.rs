//! The plugin's tables, one a file, each noun with its trait right under it.

pub mod blob;
pub mod blob_manifest;
pub mod distribution;
pub mod manifest;
pub mod manifest_list_manifest;
pub mod manifest_signature;
pub mod namespace;
pub mod pending_content;
pub mod pull_through_distribution;
pub mod pull_through_remote;
pub mod push_repository;
mod references;
pub mod remote;
pub mod repository;
pub mod tag;
pub mod token_key;
pub mod token_secret;
pub mod upload;
pub mod upload_chunk;

use std::collections::BTreeMap;

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

pub use self::blob::Entity as Blob;
pub use self::distribution::Entity as ContainerDistribution;
pub use self::manifest::Entity as Manifest;
pub use self::manifest_signature::Entity as ManifestSignature;
pub use self::namespace::Entity as ContainerNamespace;
pub use self::pull_through_distribution::Entity as ContainerPullThroughDistribution;
pub use self::pull_through_remote::Entity as ContainerPullThroughRemote;
pub use self::push_repository::Entity as ContainerPushRepository;
pub use self::remote::Entity as ContainerRemote;
pub use self::repository::Entity as ContainerRepository;
pub use self::tag::Entity as Tag;

/// Texts by name, in one column: annotations of manifests, labels of images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Texts(pub BTreeMap<String, String>);
