//! Tags: names for manifests.

use pulpcore::api::reader::Reader;
use pulpcore::error::Result;
use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail, Filters};
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, QuerySelect, QueryTrait};
use serde_json::{Map, Value};

use super::{manifest, references};
use crate::serializers::{MEDIA_TYPES, TagBody};

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_tag")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The name: `latest`.
    pub name: String,
    /// The digest of the manifest that it stands for.
    pub tagged_digest: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "container.tag";
    const MODEL: &'static str = "Tag";
    const ENDPOINT: &'static str = "tags";
    type Body = TagBody;
    const LACKS: &'static [&'static str] = references::WITHOUT_FILE;

    fn read(row: &Model) -> TagBody {
        TagBody { name: row.name.clone(), tagged_manifest: None }
    }

    /// Tags come by push, by sync and by the task that tags only.
    fn write(_row: &mut Model, _body: TagBody) {}

    fn filters() -> Filters {
        Filters::new()
            .lookups(Column::Name, &["", "in"])
            .custom_list("digest", |digests| Ok(Condition::all().add(Column::TaggedDigest.is_in(digests))))
            .custom_choices("media_type", MEDIA_TYPES, |types| {
                let tagged = manifest::Entity::find()
                    .select_only()
                    .column(manifest::Column::Digest)
                    .filter(manifest::Column::MediaType.is_in(types))
                    .into_query();
                Ok(Condition::all().add(Column::TaggedDigest.in_subquery(tagged)))
            })
            .ordered(&[Column::Name])
    }

    async fn beside(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
        references::of_tags(reader, keys).await
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Name, Column::TaggedDigest];
    const REPO_KEY: &'static [Column] = &[Column::Name];
}
