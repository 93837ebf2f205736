//! Content and what refers to what; repositories, remotes, distributions and namespaces; what was pushed and waits.

use pulpcore::migrate::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        content(manager).await?;
        references(manager).await?;
        places(manager).await
    }
}

async fn content(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("container_blob")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("digest", Text)
        .unique(["pulp_domain_id", "digest"])
        .index(["digest"])
        .create(manager)
        .await?;
    NewTable::new("container_manifest")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("digest", Text)
        .column("schema_version", BigInt)
        .column("media_type", Text)
        .column("data", Text)
        .nullable("config_digest", Text)
        .nullable("subject_digest", Text)
        .nullable("artifact_type", Text)
        .column("annotations", Json)
        .column("labels", Json)
        .column("is_bootable", Bool)
        .column("is_flatpak", Bool)
        .nullable("type", Text)
        .nullable("architecture", Text)
        .nullable("os", Text)
        .nullable("compressed_image_size", BigInt)
        .unique(["pulp_domain_id", "digest"])
        .index(["digest"])
        .index_where(["subject_digest"], "subject_digest IS NOT NULL")
        .create(manager)
        .await?;
    NewTable::new("container_tag")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("name", Text)
        .column("tagged_digest", Text)
        .unique(["pulp_domain_id", "name", "tagged_digest"])
        .index(["name"])
        .index(["tagged_digest"])
        .create(manager)
        .await?;
    NewTable::new("container_manifestsignature")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("name", Text)
        .column("digest", Text)
        .column("type", Text)
        .column("key_id", Text)
        .nullable("fingerprint", Text)
        .column("timestamp", BigInt)
        .column("creator", Text)
        .column("data", Text)
        .column("signed_digest", Text)
        .unique(["pulp_domain_id", "digest", "signed_digest"])
        .index(["signed_digest"])
        .create(manager)
        .await
}

async fn references(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let manifest = ("container_manifest", "content_ptr_id");
    NewTable::new("container_blobmanifest")
        .column("manifest_id", Uuid)
        .column("position", BigInt)
        .column("digest", Text)
        .primary_key(["manifest_id", "position"])
        .foreign_key("manifest_id", manifest, Cascade)
        .index(["digest"])
        .clustered()
        .create(manager)
        .await?;
    NewTable::new("container_manifestlistmanifest")
        .column("list_id", Uuid)
        .column("position", BigInt)
        .column("digest", Text)
        .nullable("architecture", Text)
        .nullable("os", Text)
        .nullable("variant", Text)
        .primary_key(["list_id", "position"])
        .foreign_key("list_id", manifest, Cascade)
        .index(["digest"])
        .clustered()
        .create(manager)
        .await
}

async fn places(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("container_containerrepository")
        .master_key("repository_ptr_id", "core_repository")
        .create(manager)
        .await?;
    NewTable::new("container_containerpushrepository")
        .master_key("repository_ptr_id", "core_repository")
        .create(manager)
        .await?;
    NewTable::new("container_containerremote")
        .master_key("remote_ptr_id", "core_remote")
        .column("upstream_name", Text)
        .nullable("includes", Json)
        .nullable("excludes", Json)
        .nullable("sigstore", Text)
        .create(manager)
        .await?;
    NewTable::new("container_containerpullthroughremote")
        .master_key("remote_ptr_id", "core_remote")
        .nullable("includes", Json)
        .nullable("excludes", Json)
        .create(manager)
        .await?;
    NewTable::new("container_containernamespace")
        .base()
        .domain()
        .column("name", Text)
        .column("pulp_labels", Json)
        .unique(["pulp_domain_id", "name"])
        .create(manager)
        .await?;
    NewTable::new("container_containerpullthroughdistribution")
        .master_key("distribution_ptr_id", "core_distribution")
        .may_belong_to("namespace_id", "container_containernamespace", SetNull)
        .column("private", Bool)
        .nullable("description", Text)
        .create(manager)
        .await?;
    NewTable::new("container_containerdistribution")
        .master_key("distribution_ptr_id", "core_distribution")
        .may_belong_to("namespace_id", "container_containernamespace", SetNull)
        .may_belong_to(
            "pull_through_distribution_id",
            ("container_containerpullthroughdistribution", "distribution_ptr_id"),
            SetNull,
        )
        .column("private", Bool)
        .nullable("description", Text)
        .create(manager)
        .await?;
    NewTable::new("container_pendingcontent")
        .column("repository_id", Uuid)
        .column("content_id", Uuid)
        .column("pulp_created", Time)
        .primary_key(["repository_id", "content_id"])
        .foreign_key("repository_id", "core_repository", Cascade)
        .foreign_key("content_id", "core_content", Cascade)
        .index(["content_id"])
        .create(manager)
        .await
}
