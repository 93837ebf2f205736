//! Which URLs there are: one registration a noun, beside its actions of its own.

use pulpcore::api::cx::Cx;
use pulpcore::error::{Error, Result};
use pulpcore::plugin::{Endpoint, Noun, Ref, register};

use crate::models::{
    Modulemd, ModulemdDefaults, ModulemdObsolete, Package, PackageCategory, PackageEnvironment, PackageGroup,
    PackageLangpacks, RepoMetadataFile, RpmDistribution, RpmPublication, RpmRemote, RpmRepository, UpdateRecord,
};
use crate::serializers::{CompsBody, CopyBody, PruneBody, RpmRepositorySyncUrl, SyncPolicy};
use crate::tasks::copy::Entry;
use crate::tasks::{Copy, Prune, Synchronize, UploadComps};

/// A sync and `rpm/comps/` make them.
const POSTED: &[&str] = &["create", "upload"];
/// A task makes them, because a repository may have to agree.
const AT_ONCE: &[&str] = &["upload"];

register!(Noun::content::<Package>().upload_form("RPMPackageUpload", &["relative_path"]));
register!(Noun::content::<UpdateRecord>().without(AT_ONCE));
register!(Noun::content::<PackageCategory>().without(POSTED));
register!(Noun::content::<PackageEnvironment>().without(POSTED));
register!(Noun::content::<PackageGroup>().without(POSTED));
register!(Noun::content::<PackageLangpacks>().without(POSTED));
register!(Noun::content::<RepoMetadataFile>().without(POSTED));
register!(Noun::content::<Modulemd>().without(AT_ONCE));
register!(Noun::content::<ModulemdDefaults>().without(AT_ONCE));
register!(Noun::content::<ModulemdObsolete>().without(AT_ONCE));
register!(Noun::remote::<RpmRemote>());
register!(Noun::repository::<RpmRepository>().actions(|| vec![sync(), copy(), comps(), prune()]));
register!(Noun::publication::<RpmPublication>());
register!(Noun::distribution::<RpmDistribution>());

/// `POST …/{pulp_id}/sync/`.
fn sync() -> Endpoint {
    Endpoint::action::<RpmRepository, RpmRepositorySyncUrl, _, _>(
        "sync",
        "Sync from remote",
        |cx: Cx, id, body| async move {
            let RpmRepositorySyncUrl { remote, mirror, sync_policy, skip_types, optimize } = body;
            if mirror.is_some() && sync_policy.is_some() {
                return Err(Error::invalid_together(
                    "Cannot use 'mirror' and 'sync_policy' options simultaneously. The 'mirror' option is deprecated, \
                     please use 'sync_policy' only.",
                ));
            }
            let default = if mirror == Some(true) { SyncPolicy::MirrorComplete } else { SyncPolicy::Additive };
            let sync_policy = sync_policy.unwrap_or(default);
            cx.dispatch(Synchronize { repository: Ref::new(id), remote, sync_policy, skip_types, optimize }).await
        },
    )
}

/// `POST rpm/comps/`.
fn comps() -> Endpoint {
    Endpoint::post_file::<CompsBody, _, _>(
        "rpm/comps/",
        "rpm_comps_upload",
        "Upload comps.xml",
        |cx: Cx, body, file| async move {
            let CompsBody { repository, replace, .. } = body;
            let replace = replace.unwrap_or_default();
            cx.dispatch(UploadComps { artifact: file.pulp_id, repository, replace }).await
        },
    )
}

/// `POST rpm/copy/`.
fn copy() -> Endpoint {
    Endpoint::post::<CopyBody, _, _>("rpm/copy/", "copy_content", "Copy content", |cx: Cx, body| async move {
        let config = entries(&body)?;
        let CopyBody { dependency_solving, dependency_upgrade, .. } = body;
        cx.dispatch(Copy { config, dependency_solving, dependency_upgrade }).await
    })
}

fn entries(body: &CopyBody) -> Result<Vec<Entry>> {
    let invalid = |error| Error::invalid("config", format!("Provided copy criteria is invalid: {error}"));
    serde_json::from_str(&body.config.0).map_err(invalid)
}

/// `POST rpm/prune/`.
fn prune() -> Endpoint {
    Endpoint::post::<PruneBody, _, _>(
        "rpm/prune/",
        "rpm_prune_prune_packages",
        "Prune old Packages from repositories",
        |cx: Cx, body| async move {
            let PruneBody { repo_hrefs, keep_days, dry_run } = body;
            cx.dispatch_group("Prune old Packages.", Prune { repo_hrefs, keep_days, dry_run }).await
        },
    )
    .of_group()
}
