//! What belongs together: a tag is nothing without its manifest, an index without its manifests, a manifest without its
//! blobs.
//!
//! Everything here is set-based: a version of a hundred thousand units costs as many statements as one of ten.

use pulpcore::error::{Error, Result};
use pulpcore::plugin::NewVersion;
use pulpcore::versions::Draft;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use crate::models::{
    blob, blob_manifest, manifest, manifest_list_manifest as listed, manifest_signature as signature,
    pending_content as pending, tag,
};

/// The types of content that repositories hold.
pub const CONTENT: &[&str] = &["container.blob", "container.manifest", "container.tag", "container.signature"];

/// How deep indexes may be nested: nobody nests more than one in another.
const DEEPEST: usize = 8;

/// Completes a version: what its newcomers refer to comes with them, as far as it is known here. What waited in the
/// repository for this version waits no longer.
///
/// What is not known may be absent for a reason: layers that are fetched from elsewhere, platforms that a mirror left out.
/// Whoever takes a manifest from a client or a remote knows which of its references must be there, and asks before.
///
/// # Errors
/// [`Error::Invalid`] if a new tag's manifest is not known.
pub async fn complete(version: &mut NewVersion<'_>) -> Result<()> {
    let domain = version.repository().pulp_domain_id;
    let mut newcomers = count(version, version.added_ids()).await?;
    if newcomers > 0 {
        refuse_dangling_tags(version).await?;
        version.add_selected(manifests_of_tags(domain, version.added_ids())).await?;
        for _ in 0..DEEPEST {
            version.add_selected(manifests_of_lists(domain, version.added_ids())).await?;
            let now = count(version, version.added_ids()).await?;
            if now == newcomers {
                break;
            }
            newcomers = now;
        }
        version.add_selected(blobs_of_manifests(domain, version.added_ids())).await?;
    }
    forget_pending(version).await
}

/// Removes units, and what only they referred to. What something that stays refers to stays, whether it was named or not.
///
/// # Errors
/// If the database fails.
pub async fn remove(version: &mut NewVersion<'_>, units: &[Uuid]) -> Result<()> {
    let domain = version.repository().pulp_domain_id;
    let named = Draft::new(Uuid::now_v7());
    named.add(&**version.tx(), units).await?;
    version.remove_selected(tags(named.units())).await?;
    let mut gone = -1;
    for _ in 0..DEEPEST {
        let now = count(version, version.removed_ids()).await?;
        if now == gone {
            break;
        }
        gone = now;
        let freed = [
            manifests_of_tags(domain, version.removed_ids()),
            manifests_of_lists(domain, version.removed_ids()),
            named.units(),
        ];
        version.remove_selected(unused_manifests(freed, &version.content_ids())).await?;
    }
    let freed = [blobs_of_manifests(domain, version.removed_ids()), named.units()];
    version.remove_selected(unused_blobs(freed, &version.content_ids())).await?;
    version.remove_selected(signatures(named.units(), version.removed_ids())).await?;
    named.clear(&**version.tx()).await
}

/// Those of some units that are tags.
fn tags(units: SelectStatement) -> SelectStatement {
    Query::select()
        .column(tag::Column::ContentPtrId)
        .from(tag::Entity)
        .and_where(tag::Column::ContentPtrId.in_subquery(units))
        .take()
}

/// Those of some units that are manifests which no tag and no index among the units that stay refers to.
fn unused_manifests(some: [SelectStatement; 3], stay: &SelectStatement) -> SelectStatement {
    let digest = (manifest::Entity, manifest::Column::Digest);
    let tagged = Query::select()
        .expr(Expr::val(1))
        .from(tag::Entity)
        .and_where(same((tag::Entity, tag::Column::TaggedDigest), digest))
        .and_where(tag::Column::ContentPtrId.in_subquery(stay.clone()))
        .take();
    let in_list = Query::select()
        .expr(Expr::val(1))
        .from(listed::Entity)
        .and_where(same((listed::Entity, listed::Column::Digest), digest))
        .and_where(listed::Column::ListId.in_subquery(stay.clone()))
        .take();
    Query::select()
        .column(manifest::Column::ContentPtrId)
        .from(manifest::Entity)
        .cond_where(any_of(some.map(|units| manifest::Column::ContentPtrId.in_subquery(units))))
        .and_where(Expr::exists(tagged).not())
        .and_where(Expr::exists(in_list).not())
        .take()
}

/// Those of some units that are blobs which no manifest among the units that stay names.
fn unused_blobs(some: [SelectStatement; 2], stay: &SelectStatement) -> SelectStatement {
    let used = Query::select()
        .expr(Expr::val(1))
        .from(blob_manifest::Entity)
        .and_where(same((blob_manifest::Entity, blob_manifest::Column::Digest), (blob::Entity, blob::Column::Digest)))
        .and_where(blob_manifest::Column::ManifestId.in_subquery(stay.clone()))
        .take();
    Query::select()
        .column(blob::Column::ContentPtrId)
        .from(blob::Entity)
        .cond_where(any_of(some.map(|units| blob::Column::ContentPtrId.in_subquery(units))))
        .and_where(Expr::exists(used).not())
        .take()
}

/// Signatures that are named, or whose manifest is gone.
fn signatures(named: SelectStatement, gone: SelectStatement) -> SelectStatement {
    let unsigned = Query::select()
        .column(manifest::Column::Digest)
        .from(manifest::Entity)
        .and_where(manifest::Column::ContentPtrId.in_subquery(gone))
        .take();
    let either =
        [signature::Column::ContentPtrId.in_subquery(named), signature::Column::SignedDigest.in_subquery(unsigned)];
    Query::select().column(signature::Column::ContentPtrId).from(signature::Entity).cond_where(any_of(either)).take()
}

fn any_of<const N: usize>(conditions: [SimpleExpr; N]) -> Condition {
    conditions.into_iter().fold(Condition::any(), Condition::add)
}

#[derive(Debug, FromQueryResult)]
struct Count {
    n: i64,
}

/// How many units a subquery selects.
pub(crate) async fn count(version: &NewVersion<'_>, units: SelectStatement) -> Result<i64> {
    let tx = version.tx();
    let all = Query::select().expr_as(Expr::cust("COUNT(*)"), "n").from_subquery(units, "units").take();
    let found = Count::find_by_statement(tx.get_database_backend().build(&all)).one(&**tx).await?;
    Ok(found.map_or(0, |count| count.n))
}

#[derive(Debug, FromQueryResult)]
struct Dangling {
    name: String,
    tagged_digest: String,
}

async fn refuse_dangling_tags(version: &NewVersion<'_>) -> Result<()> {
    let tx = version.tx();
    let known = Query::select()
        .column(manifest::Column::Digest)
        .from(manifest::Entity)
        .and_where(manifest::Column::PulpDomainId.eq(version.repository().pulp_domain_id))
        .and_where(same((manifest::Entity, manifest::Column::Digest), (tag::Entity, tag::Column::TaggedDigest)))
        .take();
    let dangling = Query::select()
        .columns([tag::Column::Name, tag::Column::TaggedDigest])
        .from(tag::Entity)
        .and_where(tag::Column::ContentPtrId.in_subquery(version.added_ids()))
        .and_where(Expr::exists(known).not())
        .limit(1)
        .take();
    match Dangling::find_by_statement(tx.get_database_backend().build(&dangling)).one(&**tx).await? {
        None => Ok(()),
        Some(Dangling { name, tagged_digest }) => {
            let message = format!("The tag '{name}' stands for '{tagged_digest}', which is not known.");
            Err(Error::invalid("content_units", message))
        }
    }
}

async fn forget_pending(version: &NewVersion<'_>) -> Result<()> {
    pending::Entity::delete_many()
        .filter(pending::Column::RepositoryId.eq(version.repository().pulp_id))
        .filter(pending::Column::ContentId.in_subquery(version.content_ids()))
        .exec(&**version.tx())
        .await?;
    Ok(())
}

/// The manifests that tags stand for.
pub(crate) fn manifests_of_tags(domain: Uuid, tags: SelectStatement) -> SelectStatement {
    Query::select()
        .column((manifest::Entity, manifest::Column::ContentPtrId))
        .from(tag::Entity)
        .inner_join(
            manifest::Entity,
            same((manifest::Entity, manifest::Column::Digest), (tag::Entity, tag::Column::TaggedDigest)),
        )
        .and_where(manifest::Column::PulpDomainId.eq(domain))
        .and_where(tag::Column::ContentPtrId.in_subquery(tags))
        .take()
}

/// The manifests that indexes name.
pub(crate) fn manifests_of_lists(domain: Uuid, lists: SelectStatement) -> SelectStatement {
    Query::select()
        .column((manifest::Entity, manifest::Column::ContentPtrId))
        .from(listed::Entity)
        .inner_join(
            manifest::Entity,
            same((manifest::Entity, manifest::Column::Digest), (listed::Entity, listed::Column::Digest)),
        )
        .and_where(manifest::Column::PulpDomainId.eq(domain))
        .and_where(listed::Column::ListId.in_subquery(lists))
        .take()
}

/// The blobs that manifests name.
pub(crate) fn blobs_of_manifests(domain: Uuid, manifests: SelectStatement) -> SelectStatement {
    Query::select()
        .column((blob::Entity, blob::Column::ContentPtrId))
        .from(blob_manifest::Entity)
        .inner_join(
            blob::Entity,
            same((blob::Entity, blob::Column::Digest), (blob_manifest::Entity, blob_manifest::Column::Digest)),
        )
        .and_where(blob::Column::PulpDomainId.eq(domain))
        .and_where(blob_manifest::Column::ManifestId.in_subquery(manifests))
        .take()
}

/// Two columns that have the same value.
pub(crate) fn same<A: EntityTrait, B: EntityTrait>(one: (A, A::Column), other: (B, B::Column)) -> SimpleExpr {
    Expr::col(one).equals(other)
}
