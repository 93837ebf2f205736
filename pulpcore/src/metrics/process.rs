//! What this process uses, under the names that all Prometheus clients give it.

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::db::Db;

/// Makes it part of what is told. What the system does not tell is left out.
pub(super) fn register(registry: &mut Registry, db: &Db) {
    if let Some(bytes) = resident() {
        registry.register("process_resident_memory_bytes", "Resident memory size in bytes", ConstGauge::new(bytes));
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        let count = i64::try_from(files.count()).unwrap_or(i64::MAX);
        registry.register("process_open_fds", "Number of open file descriptors", ConstGauge::new(count));
    }
    let connections = db.connections();
    let ours = registry.sub_registry_with_prefix("pulp");
    let open = ConstGauge::new(connections.open);
    ours.register("database_connections_open", "Connections of this process to its database", open);
    let idle = ConstGauge::new(connections.idle);
    ours.register("database_connections_idle", "Those of them that nobody uses", idle);
}

fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
