//! Entities against tables: every core entity is written and read back, on whichever database is given.
//!
//! A column that is missing, misnamed, of a wrong type or wrongly nullable fails here.

use std::fmt::Debug;

use sea_orm::{ActiveModelBehavior, EntityTrait, IntoActiveModel, ModelTrait};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::{Db, WriteTx, now};
use crate::error::Result;
use crate::models::*;

/// Writes two rows of every core table (one full, one as empty as it may be), reads them back, and undoes it.
///
/// # Panics
/// When what is read differs from what was written.
pub async fn round_trip(db: &Db) -> Result<()> {
    let tx = db.write().await?;
    let at = now();
    let domain = domain(at);
    same::<domain::Entity>(&tx, domain.clone()).await?;
    same::<domain::Entity>(
        &tx,
        domain::Model { pulp_id: id(), name: "bare".into(), description: None, ..domain.clone() },
    )
    .await?;
    let user = user(at);
    same::<user::Entity>(&tx, user.clone()).await?;
    same::<user::Entity>(&tx, user::Model { id: 42, username: "bare".into(), last_login: None, ..user.clone() })
        .await?;

    let domain = domain.pulp_id;
    let (artifact, content_artifact) = bytes(&tx, domain, at).await?;
    let repository = repositories(&tx, domain, at).await?;
    let (content, remote) = (content_artifact.content_id, repository.remote_id.expect("the full row has a remote"));
    places(&tx, domain, at, &content_artifact, remote).await?;
    versions(&tx, domain, at, repository.pulp_id, content, content_artifact.pulp_id, artifact, remote).await?;
    let task = tasks(&tx, domain, at, user.id).await?;
    beside_tasks(&tx, domain, at, task, artifact).await?;
    signing_services(&tx, at).await?;
    tx.rollback().await
}

async fn same<E>(tx: &WriteTx, row: E::Model) -> Result<()>
where
    E: EntityTrait,
    E::Model: Clone + PartialEq + Debug + ModelTrait<Entity = E> + IntoActiveModel<E::ActiveModel> + Send + Sync,
    E::ActiveModel: ActiveModelBehavior + Send,
{
    E::insert(row.clone().into_active_model()).exec_without_returning(&**tx).await?;
    let found = E::find().all(&**tx).await?;
    assert!(found.contains(&row), "wrote {row:?}, which is not among {found:?}");
    Ok(())
}

fn id() -> Uuid {
    Uuid::now_v7()
}

fn labels() -> Labels {
    Labels([("a".to_owned(), Some("ü 'quoted'".to_owned())), ("none".to_owned(), None)].into())
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn domain(at: OffsetDateTime) -> domain::Model {
    domain::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        name: "full".into(),
        description: text("described"),
        pulp_labels: labels(),
        storage_class: "pulpcore.app.models.storage.FileSystem".into(),
        storage_settings: json!({"depth": [1, 2.5, null]}),
        redirect_to_object_storage: true,
        hide_guarded_distributions: false,
    }
}

fn user(at: OffsetDateTime) -> user::Model {
    user::Model {
        id: 41,
        username: "full".into(),
        password: "$argon2id$".into(),
        first_name: "F".into(),
        last_name: "L".into(),
        email: "f@example.test".into(),
        is_staff: true,
        is_active: false,
        is_superuser: true,
        date_joined: at,
        last_login: Some(at),
    }
}

/// An artifact's key and the content artifact that names it.
async fn bytes(tx: &WriteTx, domain: Uuid, at: OffsetDateTime) -> Result<(Uuid, content_artifact::Model)> {
    let full = artifact::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        file: "artifact/ab/cd".into(),
        size: i64::MAX,
        md5: text("md5"),
        sha1: text("sha1"),
        sha224: text("sha224"),
        sha256: "sha256".into(),
        sha384: text("sha384"),
        sha512: text("sha512"),
        timestamp_of_interest: at,
    };
    same::<artifact::Entity>(tx, full.clone()).await?;
    let bare = artifact::Model {
        pulp_id: id(),
        sha256: "other".into(),
        md5: None,
        sha1: None,
        sha224: None,
        sha384: None,
        sha512: None,
        ..full.clone()
    };
    same::<artifact::Entity>(tx, bare).await?;
    let content = content::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        pulp_type: "file.file".into(),
        timestamp_of_interest: at,
        pulp_labels: labels(),
    };
    same::<content::Entity>(tx, content.clone()).await?;
    let file = content_artifact::Model {
        pulp_id: id(),
        content_id: content.pulp_id,
        artifact_id: Some(full.pulp_id),
        relative_path: "a/b".into(),
    };
    same::<content_artifact::Entity>(tx, file.clone()).await?;
    let remote_only =
        content_artifact::Model { pulp_id: id(), artifact_id: None, relative_path: "c".into(), ..file.clone() };
    same::<content_artifact::Entity>(tx, remote_only).await?;
    same::<staged_content::Entity>(tx, staged_content::Model { draft_id: id(), content_id: content.pulp_id }).await?;
    Ok((full.pulp_id, file))
}

/// A repository with a remote.
async fn repositories(tx: &WriteTx, domain: Uuid, at: OffsetDateTime) -> Result<repository::Model> {
    let remote = remote::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        pulp_type: "file.file".into(),
        name: "full".into(),
        pulp_labels: labels(),
        url: "http://example.test/".into(),
        policy: "on_demand".into(),
        ca_cert: text("ca"),
        client_cert: text("cert"),
        client_key: text("key"),
        tls_validation: true,
        proxy_url: text("http://proxy.test"),
        proxy_username: text("u"),
        proxy_password: text("p"),
        username: text("u"),
        password: text("p"),
        max_retries: Some(3),
        total_timeout: Some(0.5),
        connect_timeout: Some(1.0),
        sock_connect_timeout: Some(1e-3),
        sock_read_timeout: Some(1e9),
        headers: Some(json!([{"X-A": "1"}])),
        download_concurrency: Some(10),
        rate_limit: Some(1),
    };
    same::<remote::Entity>(tx, remote.clone()).await?;
    let bare = remote::Model {
        pulp_id: id(),
        name: "bare".into(),
        pulp_labels: Labels::default(),
        ca_cert: None,
        client_cert: None,
        client_key: None,
        tls_validation: false,
        proxy_url: None,
        proxy_username: None,
        proxy_password: None,
        username: None,
        password: None,
        max_retries: None,
        total_timeout: None,
        connect_timeout: None,
        sock_connect_timeout: None,
        sock_read_timeout: None,
        headers: None,
        download_concurrency: None,
        rate_limit: None,
        ..remote.clone()
    };
    same::<remote::Entity>(tx, bare).await?;
    let full = repository::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        pulp_type: "file.file".into(),
        name: "full".into(),
        description: text("described"),
        pulp_labels: labels(),
        next_version: 1,
        retain_repo_versions: Some(2),
        retain_checkpoints: Some(3),
        remote_id: Some(remote.pulp_id),
        user_hidden: true,
    };
    same::<repository::Entity>(tx, full.clone()).await?;
    let bare = repository::Model {
        pulp_id: id(),
        name: "bare".into(),
        description: None,
        retain_repo_versions: None,
        retain_checkpoints: None,
        remote_id: None,
        user_hidden: false,
        ..full.clone()
    };
    same::<repository::Entity>(tx, bare).await?;
    Ok(full)
}

async fn places(
    tx: &WriteTx,
    domain: Uuid,
    at: OffsetDateTime,
    file: &content_artifact::Model,
    remote: Uuid,
) -> Result<()> {
    let full = remote_artifact::Model {
        pulp_id: id(),
        pulp_domain_id: domain,
        content_artifact_id: file.pulp_id,
        remote_id: remote,
        url: "http://example.test/a/b".into(),
        size: Some(5),
        md5: text("md5"),
        sha1: text("sha1"),
        sha224: text("sha224"),
        sha256: text("sha256"),
        sha384: text("sha384"),
        sha512: text("sha512"),
        failed_at: Some(at),
    };
    same::<remote_artifact::Entity>(tx, full.clone()).await?;
    let other = content_artifact::Model { pulp_id: id(), relative_path: "d".into(), ..file.clone() };
    same::<content_artifact::Entity>(tx, other.clone()).await?;
    let bare = remote_artifact::Model {
        pulp_id: id(),
        content_artifact_id: other.pulp_id,
        size: None,
        md5: None,
        sha1: None,
        sha224: None,
        sha256: None,
        sha384: None,
        sha512: None,
        failed_at: None,
        ..full
    };
    same::<remote_artifact::Entity>(tx, bare).await?;
    let upload =
        upload::Model { pulp_id: id(), pulp_created: at, pulp_last_updated: at, pulp_domain_id: domain, size: 7 };
    same::<upload::Entity>(tx, upload.clone()).await?;
    let chunk =
        upload_chunk::Model { pulp_id: id(), upload_id: upload.pulp_id, offset: 0, size: 7, file: "chunk".into() };
    same::<upload_chunk::Entity>(tx, chunk).await
}

#[expect(clippy::too_many_arguments, reason = "each row below refers to rows that were made before")]
async fn versions(
    tx: &WriteTx,
    domain: Uuid,
    at: OffsetDateTime,
    repository: Uuid,
    content: Uuid,
    content_artifact: Uuid,
    artifact: Uuid,
    remote: Uuid,
) -> Result<()> {
    let first = repository_version::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        repository_id: repository,
        number: 0,
        base_version_id: None,
    };
    same::<repository_version::Entity>(tx, first.clone()).await?;
    let second =
        repository_version::Model { pulp_id: id(), number: 1, base_version_id: Some(first.pulp_id), ..first.clone() };
    same::<repository_version::Entity>(tx, second.clone()).await?;
    let left = repository_content::Model {
        repository_id: repository,
        content_id: content,
        version_added: 0,
        version_removed: Some(1),
    };
    same::<repository_content::Entity>(tx, left.clone()).await?;
    let back = repository_content::Model { version_added: 2, version_removed: None, ..left };
    same::<repository_content::Entity>(tx, back).await?;
    let count = repository_version_count::Model {
        repository_version_id: first.pulp_id,
        content_type: "file.file".into(),
        count_type: "P".into(),
        count: 1,
    };
    same::<repository_version_count::Entity>(tx, count).await?;
    let publication = publication::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        pulp_type: "file.file".into(),
        repository_version_id: first.pulp_id,
        complete: true,
        pass_through: false,
        checkpoint: true,
    };
    same::<publication::Entity>(tx, publication.clone()).await?;
    let published = published_artifact::Model {
        publication_id: publication.pulp_id,
        relative_path: "a/b".into(),
        content_artifact_id: content_artifact,
    };
    same::<published_artifact::Entity>(tx, published).await?;
    let metadata = published_metadata::Model {
        publication_id: publication.pulp_id,
        relative_path: "PULP_MANIFEST".into(),
        artifact_id: artifact,
    };
    same::<published_metadata::Entity>(tx, metadata).await?;
    let guard = content_guard::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        pulp_type: "core.header".into(),
        name: "full".into(),
        description: text("described"),
    };
    same::<content_guard::Entity>(tx, guard.clone()).await?;
    let bare = content_guard::Model { pulp_id: id(), name: "bare".into(), description: None, ..guard.clone() };
    same::<content_guard::Entity>(tx, bare).await?;
    let full = distribution::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        pulp_type: "file.file".into(),
        name: "full".into(),
        base_path: "full".into(),
        pulp_labels: labels(),
        hidden: true,
        checkpoint: false,
        content_guard_id: Some(guard.pulp_id),
        publication_id: Some(publication.pulp_id),
        repository_id: Some(repository),
        repository_version_id: Some(second.pulp_id),
        remote_id: Some(remote),
    };
    same::<distribution::Entity>(tx, full.clone()).await?;
    let superseded = distributed_publication::Model {
        distribution_id: full.pulp_id,
        publication_id: publication.pulp_id,
        expires_at: at,
    };
    same::<distributed_publication::Entity>(tx, superseded).await?;
    let bare = distribution::Model {
        pulp_id: id(),
        name: "bare".into(),
        base_path: "bare".into(),
        content_guard_id: None,
        publication_id: None,
        repository_id: None,
        repository_version_id: None,
        remote_id: None,
        ..full
    };
    same::<distribution::Entity>(tx, bare).await
}

async fn tasks(tx: &WriteTx, domain: Uuid, at: OffsetDateTime, user: i64) -> Result<Uuid> {
    let worker = app_status::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        name: "1@host".into(),
        app_type: "worker".into(),
        versions: Versions([("core".to_owned(), "1".to_owned())].into()),
        ttl_seconds: 30,
        last_heartbeat: at,
    };
    same::<app_status::Entity>(tx, worker.clone()).await?;
    let group = task_group::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        description: "Importing".into(),
        all_tasks_dispatched: true,
    };
    same::<task_group::Entity>(tx, group.clone()).await?;
    let bare = task::Model {
        pulp_id: id(),
        seq: super::next_task_seq(&**tx).await?,
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        state: state::WAITING.into(),
        name: "pulp_file.app.tasks.synchronizing.synchronize".into(),
        task_type: "file/syncs".into(),
        args: json!({}),
        logging_cid: "cid".into(),
        created_by: None,
        immediate: false,
        unblocked_at: None,
        started_at: None,
        finished_at: None,
        error: None,
        result: None,
        worker_id: None,
        parent_task_id: None,
        task_group_id: None,
        reserved_resources_record: Strings::default(),
        diagnostics: Strings::default(),
    };
    same::<task::Entity>(tx, bare.clone()).await?;
    let full = task::Model {
        pulp_id: id(),
        seq: super::next_task_seq(&**tx).await?,
        created_by: Some(user),
        immediate: true,
        unblocked_at: Some(at),
        started_at: Some(at),
        finished_at: Some(at),
        error: Some(json!({"description": "no"})),
        result: Some(json!("text")),
        worker_id: Some(worker.pulp_id),
        parent_task_id: Some(bare.pulp_id),
        task_group_id: Some(group.pulp_id),
        reserved_resources_record: Strings(vec!["prn:a".into(), "shared:prn:b".into()]),
        diagnostics: Strings(vec!["logs".into()]),
        ..bare
    };
    assert!(full.seq > bare.seq, "the counter counts");
    same::<task::Entity>(tx, full.clone()).await?;
    let task_id = full.pulp_id;
    let lock = task_reservation::Model { task_id, resource: "prn:a".into(), exclusive: true, seq: full.seq };
    same::<task_reservation::Entity>(tx, lock).await?;
    let created =
        created_resource::Model { pulp_id: id(), task_id, model: "core.repository".into(), object_id: "key".into() };
    same::<created_resource::Entity>(tx, created).await?;
    let report = progress_report::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        task_id,
        message: "Downloading".into(),
        code: "sync.downloading".into(),
        state: state::RUNNING.into(),
        total: Some(2),
        done: 1,
        suffix: text("x"),
    };
    same::<progress_report::Entity>(tx, report.clone()).await?;
    same::<progress_report::Entity>(tx, progress_report::Model { pulp_id: id(), total: None, suffix: None, ..report })
        .await?;
    Ok(task_id)
}

async fn signing_services(tx: &WriteTx, at: OffsetDateTime) -> Result<()> {
    let own = signing_service::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_type: signing_service::DETACHED.into(),
        name: "own".into(),
        public_key: "a key".into(),
        pubkey_fingerprint: "19CD".into(),
        script: String::new(),
        secret_key: text("/srv/secret.asc"),
    };
    same::<signing_service::Entity>(tx, own.clone()).await?;
    let script = "/srv/sign.sh".into();
    let by_script = signing_service::Model { pulp_id: id(), name: "script".into(), script, secret_key: None, ..own };
    same::<signing_service::Entity>(tx, by_script).await
}

async fn beside_tasks(tx: &WriteTx, domain: Uuid, at: OffsetDateTime, task_id: Uuid, artifact_id: Uuid) -> Result<()> {
    let event = task_event::Model {
        seq: 7,
        pulp_created: at,
        task_id,
        kind: "state".into(),
        body: json!({"state": "running"}),
    };
    same::<task_event::Entity>(tx, event).await?;
    let observed = profile_artifact::Model { pulp_id: id(), task_id, artifact_id, name: "logs".into() };
    same::<profile_artifact::Entity>(tx, observed).await?;
    let daily = task_schedule::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        name: "daily".into(),
        next_dispatch: Some(at),
        dispatch_interval: 86_400,
        task_name: "pulpcore.app.tasks.purge.purge".into(),
        last_task_id: Some(task_id),
    };
    same::<task_schedule::Entity>(tx, daily.clone()).await?;
    let never =
        task_schedule::Model { pulp_id: id(), name: "never".into(), next_dispatch: None, last_task_id: None, ..daily };
    same::<task_schedule::Entity>(tx, never).await?;
    let group = task_group::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        pulp_domain_id: domain,
        description: String::new(),
        all_tasks_dispatched: false,
    };
    same::<task_group::Entity>(tx, group.clone()).await?;
    let report = group_progress_report::Model {
        pulp_id: id(),
        pulp_created: at,
        pulp_last_updated: at,
        task_group_id: group.pulp_id,
        message: "Importing".into(),
        code: "import".into(),
        total: Some(2),
        done: 1,
        suffix: text("x"),
    };
    same::<group_progress_report::Entity>(tx, report.clone()).await?;
    let bare = group_progress_report::Model { pulp_id: id(), total: None, suffix: None, ..report };
    same::<group_progress_report::Entity>(tx, bare).await
}
