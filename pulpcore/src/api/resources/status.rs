//! Whether the system is up, and what it is made of: for anyone who asks, without credentials.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sea_orm::EntityTrait;
use serde::Serialize;
use utoipa::ToSchema;

use crate::CORE_VERSION;
use crate::api::bodies::Timestamp;
use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint};
use crate::api::shape;
use crate::db::now;
use crate::error::Result;
use crate::models::app_status;
use crate::registry;

/// Status information of the app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusResponse)]
struct Status {
    /// Version information of Pulp components
    versions: Vec<Version>,
    /// List of online workers known to the application.
    online_workers: Vec<Process>,
    /// List of online api apps known to the application.
    online_api_apps: Vec<Process>,
    /// List of online content apps known to the application.
    online_content_apps: Vec<Process>,
    /// Database connection information
    database_connection: Connection,
    /// Redis connection information. There is none: nothing here needs Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    redis_connection: Option<RedisConnection>,
    /// Storage information
    #[schema(required = false, nullable = false)]
    storage: Option<Space>,
    /// Content-app settings
    content_settings: ContentSettings,
    /// Is Domains enabled
    domain_enabled: bool,
}

/// Version information of a Pulp component.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VersionResponse)]
struct Version {
    /// Name of a versioned component of Pulp
    component: &'static str,
    /// Version of the component (e.g. 3.0.0)
    version: &'static str,
    /// Python package name providing the component
    package: &'static str,
    /// Python module name of the component
    module: &'static str,
    /// Domain feature compatibility of component
    domain_compatible: bool,
}

/// A process that is up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppStatusResponse)]
struct Process {
    /// The name of the worker.
    #[schema(read_only, required = false)]
    name: String,
    /// Timestamp of the last time the worker talked to the service.
    #[schema(read_only, required = false)]
    last_heartbeat: Timestamp,
    /// Versions of the components installed.
    #[schema(read_only, required = false)]
    versions: BTreeMap<String, Option<String>>,
}

/// Database connection information.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DatabaseConnectionResponse)]
struct Connection {
    /// Info about whether the app can connect to the database
    connected: bool,
}

/// Information about a connection to Redis, for clients whose models name it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RedisConnectionResponse)]
struct RedisConnection {
    /// Info about whether the app can connect to Redis
    connected: bool,
}

/// Information about the storage system.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StorageResponse)]
struct Space {
    /// Total number of bytes
    #[schema(required = true)]
    total: Option<u64>,
    /// Number of bytes in use
    #[schema(required = true)]
    used: Option<u64>,
    /// Number of free bytes
    #[schema(required = true)]
    free: Option<u64>,
}

/// Settings of the content app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContentSettingsResponse)]
struct ContentSettings {
    /// The CONTENT_ORIGIN setting for this Pulp instance
    content_origin: Option<String>,
    /// The CONTENT_PATH_PREFIX setting for this Pulp instance
    content_path_prefix: String,
}

/// `status/` and `livez/`.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Method::GET, "status/", "status_read", |cx| async move { status(&cx).await })
            .tagged("Status")
            .about("Inspect status of Pulp")
            .selectable()
            .answers(200, Described::of::<Status>())
            .public(),
        // It touches nothing, so that it answers whatever else is broken.
        Endpoint::new(Method::GET, "livez/", "livez_read", |_cx| async { Ok(StatusCode::OK.into_response()) })
            .tagged("Livez")
            .about("Inspect liveness of Pulp's REST API.")
            .selectable()
            .answers_nothing(200)
            .public(),
    ]
}

async fn status(cx: &Cx) -> Result<Response> {
    let settings = &cx.app.settings;
    let processes = app_status::Entity::find().all(cx.app.db.read()).await;
    if let Err(error) = &processes {
        tracing::warn!(%error, "The database cannot be reached.");
    }
    let connected = processes.is_ok();
    let processes = processes.unwrap_or_default();
    let online = |app_type| online(&processes, app_type);
    // An object store has no end: its numbers are null, as in Pulp.
    let usage = cx.app.storage.usage()?;
    let storage = Space {
        total: usage.map(|usage| usage.total),
        used: usage.map(|usage| usage.used),
        free: usage.map(|usage| usage.free),
    };
    let body = Status {
        versions: versions(),
        online_workers: online("worker"),
        online_api_apps: online("api"),
        online_content_apps: online("content"),
        database_connection: Connection { connected },
        redis_connection: None,
        storage: Some(storage),
        content_settings: ContentSettings {
            content_origin: Some(settings.content_origin()),
            content_path_prefix: settings.content_path_prefix.clone(),
        },
        domain_enabled: false,
    };
    Ok(cx.object(StatusCode::OK, shape::object(&body)?))
}

/// Core first, then the plugins by label.
fn versions() -> Vec<Version> {
    let core = Version {
        component: "core",
        version: CORE_VERSION,
        package: "pulpcore",
        module: "pulpcore.app",
        domain_compatible: true,
    };
    let plugins = registry::get().plugins().iter().map(|plugin| Version {
        component: plugin.label,
        version: plugin.version,
        package: plugin.package,
        module: plugin.module,
        domain_compatible: true,
    });
    std::iter::once(core).chain(plugins).collect()
}

/// The processes of a kind whose last heartbeat is fresh.
fn online(processes: &[app_status::Model], app_type: &str) -> Vec<Process> {
    let now = now();
    let alive = |row: &&app_status::Model| {
        row.app_type == app_type && row.last_heartbeat + time::Duration::seconds(row.ttl_seconds) >= now
    };
    processes
        .iter()
        .filter(alive)
        .map(|row| Process {
            name: row.name.clone(),
            last_heartbeat: Timestamp(row.last_heartbeat),
            versions: row.versions.0.clone().into_iter().map(|(name, version)| (name, Some(version))).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::models::Versions;

    #[test]
    fn a_process_counts_until_its_time_to_live_is_over() {
        let row = |name: &str, app_type: &str, ago: i64| app_status::Model {
            pulp_id: Uuid::now_v7(),
            pulp_created: now(),
            pulp_last_updated: now(),
            name: name.to_owned(),
            app_type: app_type.to_owned(),
            versions: Versions::default(),
            ttl_seconds: 30,
            last_heartbeat: now() - time::Duration::seconds(ago),
        };
        let rows = [row("fresh", "worker", 5), row("stale", "worker", 60), row("other", "api", 5)];
        let names: Vec<_> = online(&rows, "worker").into_iter().map(|process| process.name).collect();
        assert_eq!(names, ["fresh"]);
    }

    #[test]
    fn core_comes_first() {
        assert_eq!(versions()[0].component, "core");
        assert_eq!(versions()[0].version, CORE_VERSION);
    }
}
