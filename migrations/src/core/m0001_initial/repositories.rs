//! Repositories, their versions, and what is made of them: publications and distributions.

use crate::prelude::*;

pub(super) async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    repositories(manager).await?;
    membership(manager).await?;
    publications(manager).await?;
    distributions(manager).await
}

async fn repositories(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_repository")
        .base()
        .domain()
        .column("pulp_type", Text)
        .column("name", Text)
        .nullable("description", Text)
        .column("pulp_labels", Json)
        .column("next_version", BigInt)
        .nullable("retain_repo_versions", BigInt)
        .nullable("retain_checkpoints", BigInt)
        .may_belong_to("remote_id", "core_remote", SetNull)
        .column("user_hidden", Bool)
        .unique(["pulp_domain_id", "name"])
        .create(manager)
        .await?;
    NewTable::new("core_repositoryversion")
        .base()
        .belongs_to("repository_id", "core_repository", Cascade)
        .column("number", BigInt)
        .may_belong_to("base_version_id", "core_repositoryversion", SetNull)
        .unique(["repository_id", "number"])
        .create(manager)
        .await?;
    NewTable::new("core_repositoryversioncontentdetails")
        .belongs_to("repository_version_id", "core_repositoryversion", Cascade)
        .column("content_type", Text)
        .column("count_type", Text)
        .column("count", BigInt)
        .primary_key(["repository_version_id", "content_type", "count_type"])
        .clustered()
        .create(manager)
        .await
}

async fn membership(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // The first index answers "what does version n hold" by itself on SQLite, where it ends with the primary key.
    // A unit may come and go, but is at most once a member at present: the database itself keeps that promise.
    NewTable::new("core_repositorycontent")
        .belongs_to("repository_id", "core_repository", Cascade)
        .belongs_to("content_id", "core_content", Restrict)
        .column("version_added", BigInt)
        .nullable("version_removed", BigInt)
        .primary_key(["repository_id", "content_id", "version_added"])
        .clustered()
        .index(["repository_id", "version_added", "version_removed"])
        .index(["repository_id", "version_removed"])
        .unique_where(["repository_id", "content_id"], "version_removed IS NULL")
        .create(manager)
        .await?;
    // A draft is known to the task that makes it and to no table.
    NewTable::new("core_stagedcontent")
        .column("draft_id", Uuid)
        .belongs_to("content_id", "core_content", Cascade)
        .primary_key(["draft_id", "content_id"])
        .clustered()
        .create(manager)
        .await
}

async fn publications(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_publication")
        .base()
        .domain()
        .column("pulp_type", Text)
        .belongs_to("repository_version_id", "core_repositoryversion", Cascade)
        .column("complete", Bool)
        .column("pass_through", Bool)
        .column("checkpoint", Bool)
        .create(manager)
        .await?;
    NewTable::new("core_publishedartifact")
        .belongs_to("publication_id", "core_publication", Cascade)
        .column("relative_path", Text)
        .belongs_to("content_artifact_id", "core_contentartifact", Cascade)
        .primary_key(["publication_id", "relative_path"])
        .clustered()
        .create(manager)
        .await?;
    NewTable::new("core_publishedmetadata")
        .belongs_to("publication_id", "core_publication", Cascade)
        .column("relative_path", Text)
        .belongs_to("artifact_id", "core_artifact", Restrict)
        .primary_key(["publication_id", "relative_path"])
        .clustered()
        .create(manager)
        .await
}

async fn distributions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_distribution")
        .base()
        .domain()
        .column("pulp_type", Text)
        .column("name", Text)
        .column("base_path", Text)
        .column("pulp_labels", Json)
        .column("hidden", Bool)
        .column("checkpoint", Bool)
        .nullable("content_guard_id", Uuid)
        .may_belong_to("publication_id", "core_publication", SetNull)
        .may_belong_to("repository_id", "core_repository", SetNull)
        .may_belong_to("repository_version_id", "core_repositoryversion", SetNull)
        .may_belong_to("remote_id", "core_remote", SetNull)
        .unique(["pulp_domain_id", "name"])
        .unique(["pulp_domain_id", "base_path"])
        .create(manager)
        .await
}
