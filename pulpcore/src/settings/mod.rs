//! What an operator may decide: one typed struct, read once at start-up.
//!
//! Values come from four layers, the later ones winning: the defaults, one TOML file, environment variables that begin
//! with `PULP_`, and the command line. Names are Pulp's where Pulp has the setting: `content_origin` in the file is
//! `PULP_CONTENT_ORIGIN` in the environment. A plugin's settings stand in a section of their own, `[plugins.<label>]`
//! or `PULP_PLUGINS__<LABEL>__<KEY>`; see [`PluginSettings`]. Its live APIs are switched off by `live.<label>`.
//!
//! A name that nobody knows is refused with a suggestion, because a misspelt setting that is silently ignored is worse
//! than a server that does not start. Every value remembers where it came from ([`Loaded::table`]).
//!
//! ```
//! use pulpcore::settings::{Options, Settings};
//!
//! let options = Options::default().env("PULP_CONTENT_ORIGIN", "https://pulp.example.test");
//! let loaded = Settings::load(&options)?;
//! assert_eq!(loaded.settings.content_origin(), "https://pulp.example.test");
//!
//! let misspelt = Options::default().env("PULP_CONTNET_ORIGIN", "https://pulp.example.test");
//! let error = Settings::load(&misspelt).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "unknown setting PULP_CONTNET_ORIGIN in the environment; did you mean PULP_CONTENT_ORIGIN?"
//! );
//! # Ok::<(), pulpcore::error::Error>(())
//! ```

mod check;
mod load;
mod names;
mod plugin;
mod problem;
mod storage;
mod switch;
mod text;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::load::{Loaded, Options, Shown};
pub use self::plugin::{PluginSettings, Sections};
pub use self::storage::{StorageKind, StorageSettings};
pub use self::switch::Switch;
pub(crate) use self::types::MASK;
pub use self::types::{ClientCertificates, DatabaseUrl, LogFormat, OnDemand, Role, Secret};
use crate::error::Result;

/// Everything an operator may decide. Every field has a default; all paths are relative to the current directory
/// unless absolute.
///
/// Serialising masks the secrets; it is for showing, not for storing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    // Places.
    /// The folder of everything that this server keeps: `pulp.sqlite3`, `media/` and `keys/` unless moved one by one.
    /// Default: `.`, the current directory.
    pub data_dir: PathBuf,
    /// Where the database is: `sqlite://…` or `postgres://…`. Default: `pulp.sqlite3` in [`Self::data_dir`].
    pub database_url: DatabaseUrl,
    /// The most connections that one process keeps to the database.
    pub database_pool_size: u32,
    /// The folder in which artifacts are stored, unless [`Self::storage`] says otherwise. Default: `media` in [`Self::data_dir`].
    pub media_root: PathBuf,
    /// Where unfinished downloads and uploads lie. Default: `.spool` in [`Self::media_root`], so that finishing one is
    /// a rename within one file system.
    pub working_directory: PathBuf,
    /// What keeps the artifacts: a folder, or an object store.
    pub storage: StorageSettings,
    /// The file with the key, or keys, that encrypt remote passwords in the database; see [`crate::secrets`].
    /// Processes that share a database must share this file. Default: `keys/database.key` in [`Self::data_dir`].
    pub db_encryption_key: PathBuf,
    /// Absolute folders from which `file://` remotes and imports may read. Default: none.
    pub allowed_import_paths: Vec<PathBuf>,
    /// Absolute folders into which exports may write. Default: none.
    pub allowed_export_paths: Vec<PathBuf>,

    // Network.
    /// The address and port to listen on.
    pub bind: SocketAddr,
    /// The root of the REST API's paths; begins and ends with `/`. The API itself lives under `{api_root}api/v3/`.
    pub api_root: String,
    /// The public address of the content service, `scheme://host[:port]`. Default: `http://`, or `https://` with
    /// [`Self::tls_certificate`], and [`Self::bind`]; read it with [`Self::content_origin()`].
    pub content_origin: Option<String>,
    /// Where distributions begin in the content service's paths; begins and ends with `/`.
    pub content_path_prefix: String,
    /// The largest body of a JSON or form request, in bytes.
    pub max_json_body: u64,
    /// The largest file that may be uploaded, in bytes.
    pub max_upload_size: u64,
    /// Whether the live APIs of plugins answer, by the plugin's label. One that is not named is on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub live: BTreeMap<String, Switch>,
    /// Whether `/metrics` answers, without credentials: it tells types and numbers of tasks, and what the process uses.
    pub metrics: bool,
    /// The server's certificate and those of its issuers, in PEM: with it the server speaks TLS and nothing else. It is
    /// read anew when it changes.
    pub tls_certificate: Option<PathBuf>,
    /// The key of [`Self::tls_certificate`], in PEM.
    pub tls_key: Option<PathBuf>,
    /// Whether clients are asked for a certificate.
    pub tls_client_certificates: ClientCertificates,
    /// The authorities, in PEM, that clients' certificates must come from. Without it any will do that a guard accepts.
    pub tls_client_ca: Option<PathBuf>,
    /// The most connections that this process serves at a time; more have to wait.
    pub max_connections: usize,
    /// How many seconds a client may take for the header of a request, and for the handshake of TLS.
    pub header_timeout: u64,
    /// After how many seconds a connection on which nobody asks for anything is closed.
    pub keep_alive_timeout: u64,
    /// After how many seconds a connection is cut whose client neither takes what it asked for nor sends what it announced.
    pub stall_timeout: u64,
    /// For how many seconds a server that was told to stop says that it is not ready, and serves as before.
    pub drain_delay: u64,
    /// How many seconds answers may then take to end before they are cut.
    pub drain_timeout: u64,

    // Processes.
    /// What this process does: any of `api`, `content`, `worker`.
    pub roles: BTreeSet<Role>,
    /// How many tasks this process runs at a time. Default: the number of cores, at least 2.
    pub workers: usize,
    /// After how many seconds without a heartbeat a worker counts as dead.
    pub worker_ttl: u64,
    /// How many seconds a task may go on after it was told to stop, before it is aborted.
    pub task_grace_interval: u64,
    /// How many seconds the script of a signing service may take for one signature.
    pub signing_timeout: u64,

    // Content.
    /// The digests that artifacts may be stored and verified with. Must contain `sha256`, by which they are named.
    pub allowed_content_checksums: Vec<String>,
    /// What the content service does with content that is known but not yet downloaded.
    pub on_demand: OnDemand,
    /// For how many seconds the files of a publication are still found after a distribution has gone on to a newer one; 0
    /// not at all.
    pub distributed_publication_retention_period: u64,
    /// Whether the content service sends clients to the object store for what it keeps, or passes it on itself. No effect
    /// on a folder.
    pub redirect_to_object_storage: bool,
    /// For how many seconds a remote that sent something else than was promised is not asked for that file again.
    pub remote_content_fetch_failure_cooldown: u64,
    /// The largest file that is pulled through a distribution's remote, in bytes.
    pub max_pull_through_size: u64,
    /// Whether a guarded distribution is left out of the listing of distributions.
    pub hide_guarded_distributions: bool,
    /// For how many seconds the content service takes what it has resolved as unchanged, if it has not heard that it
    /// changed; 0 asks the database for every request.
    pub content_cache_ttl: u64,
    /// How many files, and how many distributions, the content service remembers at most.
    pub content_cache_entries: u64,
    /// For how many seconds after that it still serves what it remembers while the database is away; 0 never does.
    pub content_stale_ttl: u64,
    /// The most memory, in MiB, in which the content service holds artifacts of up to 64 KiB; 0 holds none.
    pub content_memory_mb: u64,
    /// Whether an artifact is forced to the disk before it counts as stored. Turning this off is faster and loses
    /// files in a power cut.
    pub durable: bool,
    /// The most bytes, in MiB, that one sync holds in flight.
    pub sync_max_in_flight_mb: u64,
    /// How many content units one sync saves in one transaction.
    pub sync_batch_size: usize,

    // Tidying up.
    /// For how many minutes content that is in no repository is safe from orphan clean-up.
    pub orphan_protection_time: u64,
    /// For how many minutes a file that no artifact has is safe from orphan clean-up: an artifact has its file first, and
    /// its row a moment later. Files that nobody knows are left by processes that were killed in between.
    pub stray_file_protection_time: u64,
    /// After how many minutes an unfinished upload may be removed; 0 keeps it for ever.
    pub upload_protection_time: u64,
    /// After how many minutes a temporary file may be removed; 0 keeps it for ever.
    pub tmpfile_protection_time: u64,
    /// After how many minutes a finished task may be removed; 0 keeps it for ever.
    pub task_protection_time: u64,
    /// For how many hours the events of a task are kept after it has ended; 0 keeps them as long as the task.
    pub task_event_retention: u64,

    // Security.
    /// The administrator's password, used once: when the first administrator is created. Empty: one is made up and
    /// shown.
    pub admin_password: Option<Secret>,
    /// For how many seconds a verified password need not be verified again; 0 verifies it each time.
    pub credential_cache_seconds: u64,
    /// Whether the description of a failed task hides every error that was not written for the client.
    pub redact_unsafe_exceptions: bool,

    // Logs.
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or `target=level` pairs with commas between them.
    pub log_filter: String,

    /// The plugins' sections; read them with [`Self::plugin`].
    #[serde(skip)]
    pub plugins: Sections,
}

impl Settings {
    /// Reads the settings from all their sources and checks them.
    ///
    /// # Errors
    /// [`Error::Config`](crate::error::Error::Config) with a sentence a problem: unknown names, wrong types (with the
    /// key, the source and what was expected), values that break a rule, a file that cannot be read.
    pub fn load(options: &Options) -> Result<Loaded> {
        load::load(options)
    }

    /// The defaults, with all state in `data_dir`.
    pub fn in_dir(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let media_root = data_dir.join("media");
        Self::defaults(data_dir, media_root)
    }

    /// Settings for a test: all state in `dir`, a free port, `admin`'s password is `password`, nothing is forced to
    /// the disk.
    #[cfg(any(test, feature = "testkit"))]
    pub fn for_tests(dir: &Path) -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            workers: 2,
            durable: false,
            admin_password: Some(Secret::new("password")),
            ..Self::in_dir(dir)
        }
    }

    /// The public address of the content service, without a trailing slash.
    ///
    /// Without a setting it is derived from [`Self::bind`]: whoever listens on port 0 writes the real address back to
    /// `bind` first. An address that means "all interfaces" is replaced by this machine's own.
    pub fn content_origin(&self) -> String {
        if let Some(origin) = &self.content_origin {
            return origin.trim_end_matches('/').to_owned();
        }
        let mut address = self.bind;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let scheme = if self.tls_certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// Whether this process only serves content, from a database that others look after: it writes nothing that it may not.
    pub(crate) fn is_edge(&self) -> bool {
        self.roles.len() == 1 && self.has_role(Role::Content) && !self.database_url.is_sqlite()
    }

    /// Whether this process has to do with tasks.
    pub(crate) fn reads_queue(&self) -> bool {
        self.has_role(Role::Api) || self.has_role(Role::Worker)
    }

    /// Whether this process has a role.
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether a plugin's live APIs are switched on.
    pub fn is_live(&self, label: &str) -> bool {
        self.live.get(label) != Some(&Switch::Off)
    }

    /// A plugin's own settings: its defaults where the operator said nothing.
    ///
    /// # Errors
    /// [`Error::Config`](crate::error::Error::Config) if the section does not fit `T`. That cannot happen for the type
    /// that the plugin registered ([`PluginSettings::of`]), which was checked when the settings were loaded.
    pub fn plugin<T: DeserializeOwned + Default>(&self, label: &str) -> Result<T> {
        self.plugins.get(label)
    }

    /// Checks the rules that types do not express.
    ///
    /// # Errors
    /// [`Error::Config`](crate::error::Error::Config), a line a problem.
    pub fn check(&self) -> Result<()> {
        check::check(self, &|_| None)
    }

    fn defaults(data_dir: PathBuf, media_root: PathBuf) -> Self {
        const MIB: u64 = 1024 * 1024;
        let strings = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            database_url: DatabaseUrl::sqlite(&data_dir.join("pulp.sqlite3")),
            database_pool_size: 10,
            working_directory: media_root.join(".spool"),
            media_root,
            storage: StorageSettings::default(),
            db_encryption_key: data_dir.join("keys").join("database.key"),
            data_dir,
            allowed_import_paths: Vec::new(),
            allowed_export_paths: Vec::new(),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 24817)),
            api_root: "/pulp/".to_owned(),
            content_origin: None,
            content_path_prefix: "/pulp/content/".to_owned(),
            max_json_body: 10 * MIB,
            max_upload_size: 64 * 1024 * MIB,
            live: BTreeMap::new(),
            metrics: true,
            tls_certificate: None,
            tls_key: None,
            tls_client_certificates: ClientCertificates::Off,
            tls_client_ca: None,
            max_connections: 4096,
            header_timeout: 30,
            keep_alive_timeout: 75,
            stall_timeout: 60,
            drain_delay: 0,
            drain_timeout: 20,
            roles: [Role::Api, Role::Content, Role::Worker].into(),
            workers: std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)),
            worker_ttl: 30,
            task_grace_interval: 600,
            signing_timeout: 300,
            allowed_content_checksums: strings(&["sha224", "sha256", "sha384", "sha512"]),
            on_demand: OnDemand::Save,
            distributed_publication_retention_period: 3 * 24 * 60 * 60,
            redirect_to_object_storage: true,
            remote_content_fetch_failure_cooldown: 300,
            max_pull_through_size: 64 * 1024 * MIB,
            hide_guarded_distributions: false,
            content_cache_ttl: 600,
            content_cache_entries: 30_000,
            content_stale_ttl: 3600,
            content_memory_mb: 32,
            durable: true,
            sync_max_in_flight_mb: 64,
            sync_batch_size: 500,
            orphan_protection_time: 24 * 60,
            stray_file_protection_time: 60,
            upload_protection_time: 0,
            tmpfile_protection_time: 0,
            task_protection_time: 0,
            task_event_retention: 7 * 24,
            admin_password: None,
            credential_cache_seconds: 60,
            redact_unsafe_exceptions: false,
            log_format: LogFormat::Auto,
            log_filter: crate::telemetry::DEFAULT_FILTER.to_owned(),
            plugins: Sections::default(),
        }
    }
}

/// The defaults, with all state in the current directory.
impl Default for Settings {
    fn default() -> Self {
        Self::in_dir(Path::new("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_keep_their_own_rules() {
        Settings::default().check().unwrap();
    }

    #[test]
    fn all_state_follows_the_data_folder() {
        let settings = Settings::in_dir("/srv/pulp");
        assert_eq!(settings.database_url.expose(), "sqlite:///srv/pulp/pulp.sqlite3?mode=rwc");
        assert_eq!(settings.media_root, Path::new("/srv/pulp/media"));
        assert_eq!(settings.working_directory, Path::new("/srv/pulp/media/.spool"));
        assert_eq!(settings.db_encryption_key, Path::new("/srv/pulp/keys/database.key"));
    }

    #[test]
    fn the_content_origin_follows_the_address_unless_it_is_set() {
        let mut settings = Settings::default();
        assert_eq!(settings.content_origin(), "http://127.0.0.1:24817");
        settings.bind = "0.0.0.0:80".parse().unwrap();
        assert_eq!(settings.content_origin(), "http://127.0.0.1:80");
        settings.bind = "[::]:80".parse().unwrap();
        assert_eq!(settings.content_origin(), "http://[::1]:80");
        settings.tls_certificate = Some("/srv/tls.pem".into());
        assert_eq!(settings.content_origin(), "https://[::1]:80");
        settings.content_origin = Some("https://pulp.example.test/".to_owned());
        assert_eq!(settings.content_origin(), "https://pulp.example.test");
    }

    #[test]
    fn settings_for_tests_stay_in_their_folder() {
        let settings = Settings::for_tests(Path::new("/tmp/x"));
        settings.check().unwrap();
        assert_eq!(settings.bind.port(), 0);
        assert!(settings.database_url.expose().contains("/tmp/x/"));
        assert!(!format!("{settings:?}").contains("\"password\""), "the password shows in Debug");
    }
}
