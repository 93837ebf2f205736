//! Which URLs there are: one registration a noun, beside its actions of its own.

use pulpcore::api::collection::Collection;
use pulpcore::api::cx::Cx;
use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Detail, Endpoint, NoFields, Noun, Ref, register};
use uuid::Uuid;

use crate::models::{
    Blob, ContainerDistribution, ContainerNamespace, ContainerPullThroughDistribution, ContainerPullThroughRemote,
    ContainerPushRepository, ContainerRemote, ContainerRepository, Manifest, ManifestSignature, Tag,
};
use crate::serializers::{
    ContainerRepositorySyncUrl, ManifestCopyBody, RecursiveManageBody, RemoveImageBody, RemoveSignaturesBody,
    TagCopyBody, TagImageBody, UnTagImageBody,
};
use crate::tasks::{
    CopyManifests, CopyTags, MigratePushRepository, RecursiveAdd, RecursiveRemove, RemoveImage, RemoveSignatures,
    Synchronize, TagImage, UntagImage,
};

/// Units come by push, by sync and by tasks.
const UPLOADS: &[&str] = &["create", "upload"];
/// Repositories of this kind are what older servers left: they are used, and no more are made.
const OF_OLD: &[&str] = &["create", "delete", "modify", "set_label", "unset_label"];

register!(Noun::content::<Blob>().without(UPLOADS));
register!(Noun::content::<Manifest>().without(UPLOADS));
register!(Noun::content::<Tag>().without(UPLOADS));
register!(Noun::content::<ManifestSignature>().without(UPLOADS));
register!(Noun::remote::<ContainerRemote>());
register!(Noun::remote::<ContainerPullThroughRemote>());
register!(Noun::repository::<ContainerRepository>().without(&["modify"]).actions(|| {
    vec![
        tag::<ContainerRepository>(),
        untag::<ContainerRepository>(),
        sync(),
        add(),
        remove(),
        copy_tags(),
        copy_manifests(),
    ]
}));
register!(Noun::repository::<ContainerPushRepository>().without(OF_OLD).actions(|| {
    vec![
        tag::<ContainerPushRepository>(),
        untag::<ContainerPushRepository>(),
        remove_image(),
        remove_signatures(),
        migrate(),
    ]
}));
register!(Noun::distribution::<ContainerDistribution>());
register!(Noun::distribution::<ContainerPullThroughDistribution>());
register!(Collection::of::<ContainerNamespace>());

/// A repository of a kind, as tasks name it.
fn repository<D: Detail>(id: Uuid) -> Result<Ref<repository::Entity>> {
    Ref::of(D::TYPE, id)
}

/// `POST …/{pulp_id}/sync/`.
fn sync() -> Endpoint {
    Endpoint::action::<ContainerRepository, ContainerRepositorySyncUrl, _, _>(
        "sync",
        "Sync from a remote",
        |cx: Cx, id, body| async move {
            let ContainerRepositorySyncUrl { remote, mirror, signed_only } = body;
            cx.dispatch(Synchronize { repository: Ref::new(id), remote, mirror, signed_only }).await
        },
    )
}

/// `POST …/{pulp_id}/tag/`.
fn tag<D: Detail>() -> Endpoint {
    Endpoint::action::<D, TagImageBody, _, _>("tag", "Create a Tag", |cx: Cx, id, body| async move {
        cx.dispatch(TagImage { repository: repository::<D>(id)?, tag: body.tag, digest: body.digest }).await
    })
}

/// `POST …/{pulp_id}/untag/`.
fn untag<D: Detail>() -> Endpoint {
    Endpoint::action::<D, UnTagImageBody, _, _>("untag", "Delete a tag", |cx: Cx, id, body| async move {
        cx.dispatch(UntagImage { repository: repository::<D>(id)?, tag: body.tag }).await
    })
}

/// `POST …/{pulp_id}/add/`.
fn add() -> Endpoint {
    Endpoint::action::<ContainerRepository, RecursiveManageBody, _, _>(
        "add",
        "Add content",
        |cx: Cx, id, body| async move {
            let repository = repository::<ContainerRepository>(id)?;
            cx.dispatch(RecursiveAdd { repository, content_units: body.content_units }).await
        },
    )
}

/// `POST …/{pulp_id}/remove/`.
fn remove() -> Endpoint {
    Endpoint::action::<ContainerRepository, RecursiveManageBody, _, _>(
        "remove",
        "Remove content",
        |cx: Cx, id, body| async move {
            let repository = repository::<ContainerRepository>(id)?;
            cx.dispatch(RecursiveRemove { repository, content_units: body.content_units }).await
        },
    )
}

/// `POST …/{pulp_id}/copy_tags/`.
fn copy_tags() -> Endpoint {
    Endpoint::action::<ContainerRepository, TagCopyBody, _, _>(
        "copy_tags",
        "Copy tags",
        |cx: Cx, id, body| async move {
            let repository = repository::<ContainerRepository>(id)?;
            let TagCopyBody { source_repository, source_repository_version, names } = body;
            cx.dispatch(CopyTags { repository, source_repository, source_repository_version, names }).await
        },
    )
}

/// `POST …/{pulp_id}/copy_manifests/`.
fn copy_manifests() -> Endpoint {
    Endpoint::action::<ContainerRepository, ManifestCopyBody, _, _>(
        "copy_manifests",
        "Copy manifests",
        |cx: Cx, id, body| async move {
            let repository = repository::<ContainerRepository>(id)?;
            let ManifestCopyBody { source_repository, source_repository_version, digests, media_types } = body;
            let task = CopyManifests { repository, source_repository, source_repository_version, digests, media_types };
            cx.dispatch(task).await
        },
    )
}

/// `POST …/{pulp_id}/remove_image/`.
fn remove_image() -> Endpoint {
    Endpoint::action::<ContainerPushRepository, RemoveImageBody, _, _>(
        "remove_image",
        "Delete an image from a repository",
        |cx: Cx, id, body| async move {
            let repository = repository::<ContainerPushRepository>(id)?;
            cx.dispatch(RemoveImage { repository, digest: body.digest }).await
        },
    )
}

/// `POST …/{pulp_id}/remove_signatures/`.
fn remove_signatures() -> Endpoint {
    Endpoint::action::<ContainerPushRepository, RemoveSignaturesBody, _, _>(
        "remove_signatures",
        "Delete signatures",
        |cx: Cx, id, body| async move {
            let repository = repository::<ContainerPushRepository>(id)?;
            cx.dispatch(RemoveSignatures { repository, signed_with_key_id: body.signed_with_key_id }).await
        },
    )
}

/// `POST …/{pulp_id}/migrate/`.
fn migrate() -> Endpoint {
    Endpoint::action::<ContainerPushRepository, NoFields, _, _>(
        "migrate",
        "Migrate push repository to container repository",
        |cx: Cx, id, _| async move { cx.dispatch(MigratePushRepository { repository: Ref::new(id) }).await },
    )
    .without_body()
}
