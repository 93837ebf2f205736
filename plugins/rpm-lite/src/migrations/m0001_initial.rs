//! Content, what modules hold, and repositories with what belongs to them.

use pulpcore::migrate::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        packages(manager).await?;
        advisories(manager).await?;
        comps(manager).await?;
        modules(manager).await?;
        places(manager).await
    }
}

async fn packages(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = NewTable::new("rpm_package").master_key("content_ptr_id", "core_content").domain();
    for column in ["name", "epoch", "version", "release", "arch", "evr", "pkgId", "checksum_type"] {
        table = table.column(column, Text);
    }
    for column in ["summary", "description", "url", "changelogs", "files"] {
        table = table.column(column, Text);
    }
    for column in [
        "requires",
        "provides",
        "conflicts",
        "obsoletes",
        "suggests",
        "enhances",
        "recommends",
        "supplements",
        "location_base",
        "location_href",
        "rpm_buildhost",
        "rpm_group",
        "rpm_license",
        "rpm_packager",
        "rpm_sourcerpm",
        "rpm_vendor",
    ] {
        table = table.column(column, Text);
    }
    for column in ["rpm_header_start", "rpm_header_end", "size_archive", "size_installed", "size_package"] {
        table = table.nullable(column, BigInt);
    }
    table
        .nullable("time_build", BigInt)
        .nullable("time_file", BigInt)
        .column("is_modular", Bool)
        .nullable("signing_keys", Text)
        // The digest first: it alone tells nearly all packages apart.
        .unique(["pulp_domain_id", "pkgId", "name", "epoch", "version", "release", "arch", "checksum_type"])
        .index(["pkgId"])
        .index(["name", "arch", "evr"])
        .create(manager)
        .await
}

async fn advisories(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("rpm_updaterecord")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("id", Text)
        .nullable("updated_date", Text)
        .column("description", Text)
        .column("issued_date", Text)
        .column("fromstr", Text)
        .column("status", Text)
        .column("title", Text)
        .column("summary", Text)
        .column("version", Text)
        .column("type", Text)
        .column("severity", Text)
        .column("solution", Text)
        .column("release", Text)
        .column("rights", Text)
        .column("pushcount", Text)
        .column("reboot_suggested", Bool)
        .column("pkglist", Text)
        .column("references", Text)
        .column("digest", Text)
        .unique(["pulp_domain_id", "digest"])
        .index(["id"])
        .create(manager)
        .await
}

async fn comps(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let named = |name: &'static str| {
        NewTable::new(name)
            .master_key("content_ptr_id", "core_content")
            .domain()
            .column("id", Text)
            .column("name", Text)
            .column("description", Text)
            .nullable("display_order", BigInt)
            .column("desc_by_lang", Text)
            .column("name_by_lang", Text)
            .column("digest", Text)
            .unique(["pulp_domain_id", "digest"])
            .index(["id"])
    };
    named("rpm_packagegroup")
        .column("default", Bool)
        .column("user_visible", Bool)
        .column("packages", Text)
        .column("biarch_only", Bool)
        .create(manager)
        .await?;
    named("rpm_packagecategory").column("group_ids", Text).create(manager).await?;
    named("rpm_packageenvironment").column("group_ids", Text).column("option_ids", Text).create(manager).await?;
    NewTable::new("rpm_packagelangpacks")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("matches", Text)
        .column("digest", Text)
        .unique(["pulp_domain_id", "digest"])
        .create(manager)
        .await
}

async fn modules(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("rpm_modulemd")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("name", Text)
        .column("stream", Text)
        .column("version", Text)
        .column("context", Text)
        .column("arch", Text)
        .nullable("static_context", Bool)
        .column("dependencies", Text)
        .column("artifacts", Text)
        .column("profiles", Text)
        .column("description", Text)
        .column("digest", Text)
        .column("snippet", Text)
        .unique(["pulp_domain_id", "name", "stream", "version", "context", "arch", "digest"])
        .index(["name"])
        .create(manager)
        .await?;
    NewTable::new("rpm_modulemd_packages")
        .column("modulemd_id", Uuid)
        .column("package_id", Uuid)
        .primary_key(["modulemd_id", "package_id"])
        .foreign_key("modulemd_id", ("rpm_modulemd", "content_ptr_id"), Cascade)
        .foreign_key("package_id", ("rpm_package", "content_ptr_id"), Cascade)
        .index(["package_id"])
        .clustered()
        .create(manager)
        .await?;
    NewTable::new("rpm_modulemddefaults")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("module", Text)
        .column("stream", Text)
        .column("profiles", Text)
        .column("digest", Text)
        .column("snippet", Text)
        .unique(["pulp_domain_id", "digest"])
        .index(["module"])
        .create(manager)
        .await?;
    NewTable::new("rpm_modulemdobsolete")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("modified", Text)
        .column("module_name", Text)
        .column("module_stream", Text)
        .column("message", Text)
        .nullable("override_previous", Text)
        .nullable("module_context", Text)
        .nullable("eol_date", Text)
        .nullable("obsoleted_by_module_name", Text)
        .nullable("obsoleted_by_module_stream", Text)
        .column("snippet", Text)
        .unique(["pulp_domain_id", "modified", "module_name", "module_stream"])
        .create(manager)
        .await
}

async fn places(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("rpm_repometadatafile")
        .master_key("content_ptr_id", "core_content")
        .domain()
        .column("data_type", Text)
        .column("checksum_type", Text)
        .column("checksum", Text)
        .column("relative_path", Text)
        .unique(["pulp_domain_id", "data_type", "checksum", "relative_path"])
        .index(["data_type"])
        .create(manager)
        .await?;
    NewTable::new("rpm_rpmrepository")
        .master_key("repository_ptr_id", "core_repository")
        .column("autopublish", Bool)
        .column("retain_package_versions", BigInt)
        .nullable("checksum_type", Text)
        .nullable("compression_type", Text)
        .nullable("layout", Text)
        .column("repo_config", Json)
        .nullable("last_sync_details", Json)
        .create(manager)
        .await?;
    NewTable::new("rpm_rpmremote")
        .master_key("remote_ptr_id", "core_remote")
        .nullable("sles_auth_token", Text)
        .create(manager)
        .await?;
    NewTable::new("rpm_rpmpublication")
        .master_key("publication_ptr_id", "core_publication")
        .column("checksum_type", Text)
        .nullable("compression_type", Text)
        .nullable("layout", Text)
        .column("repo_config", Json)
        .create(manager)
        .await?;
    NewTable::new("rpm_rpmdistribution")
        .master_key("distribution_ptr_id", "core_distribution")
        .column("generate_repo_config", Bool)
        .create(manager)
        .await
}
