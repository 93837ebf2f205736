//! Bytes and units: artifacts, content, remotes, and what of them is where.

use crate::prelude::*;

pub(super) async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    artifacts(manager).await?;
    remotes(manager).await?;
    files_of_units(manager).await?;
    uploads(manager).await
}

async fn artifacts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // Only sha256 is indexed: it is the identity. The other digests are what clients verify with; every index on them
    // would cost each stored file 60 to 130 bytes and a write.
    NewTable::new("core_artifact")
        .base()
        .domain()
        .column("file", Text)
        .column("size", BigInt)
        .nullable("md5", Text)
        .nullable("sha1", Text)
        .nullable("sha224", Text)
        .column("sha256", Text)
        .nullable("sha384", Text)
        .nullable("sha512", Text)
        .column("timestamp_of_interest", Time)
        .unique(["pulp_domain_id", "sha256"])
        .create(manager)
        .await?;
    // Lists show the units of one type, the newest key first.
    NewTable::new("core_content")
        .base()
        .domain()
        .column("pulp_type", Text)
        .column("timestamp_of_interest", Time)
        .column("pulp_labels", Json)
        .index(["pulp_type", "pulp_id"])
        .create(manager)
        .await
}

async fn remotes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_remote")
        .base()
        .domain()
        .column("pulp_type", Text)
        .column("name", Text)
        .column("pulp_labels", Json)
        .column("url", Text)
        .column("policy", Text)
        .nullable("ca_cert", Text)
        .nullable("client_cert", Text)
        .nullable("client_key", Text)
        .column("tls_validation", Bool)
        .nullable("proxy_url", Text)
        .nullable("proxy_username", Text)
        .nullable("proxy_password", Text)
        .nullable("username", Text)
        .nullable("password", Text)
        .nullable("max_retries", BigInt)
        .nullable("total_timeout", Double)
        .nullable("connect_timeout", Double)
        .nullable("sock_connect_timeout", Double)
        .nullable("sock_read_timeout", Double)
        .nullable("headers", Json)
        .nullable("download_concurrency", BigInt)
        .nullable("rate_limit", BigInt)
        .unique(["pulp_domain_id", "name"])
        .create(manager)
        .await
}

async fn files_of_units(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // The second index finds a requested path in a version without walking the version.
    NewTable::new("core_contentartifact")
        .id()
        .belongs_to("content_id", "core_content", Cascade)
        .may_belong_to("artifact_id", "core_artifact", Restrict)
        .column("relative_path", Text)
        .unique(["content_id", "relative_path"])
        .index(["relative_path"])
        .create(manager)
        .await?;
    NewTable::new("core_remoteartifact")
        .id()
        .domain()
        .belongs_to("content_artifact_id", "core_contentartifact", Cascade)
        .belongs_to("remote_id", "core_remote", Cascade)
        .column("url", Text)
        .nullable("size", BigInt)
        .nullable("md5", Text)
        .nullable("sha1", Text)
        .nullable("sha224", Text)
        .nullable("sha256", Text)
        .nullable("sha384", Text)
        .nullable("sha512", Text)
        .nullable("failed_at", Time)
        .unique(["content_artifact_id", "remote_id"])
        .create(manager)
        .await
}

async fn uploads(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_upload").base().domain().column("size", BigInt).create(manager).await?;
    NewTable::new("core_uploadchunk")
        .id()
        .belongs_to("upload_id", "core_upload", Cascade)
        .column("offset", BigInt)
        .column("size", BigInt)
        .column("file", Text)
        .unique(["upload_id", "offset"])
        .create(manager)
        .await
}
