//! Empty PostgreSQL databases for tests, on a throw-away cluster that all test processes of a run share.
//!
//! Test runners start a process a test, and a cluster takes a second to start, so the cluster must outlive the process
//! that needed it first, and must still vanish. It is found or made in this order:
//!
//! 1. the environment variable [`VARIABLE`] holds the URL of a cluster that somebody else looks after;
//! 2. a cluster runs already in the well-known folder of this user below the system's temporary folder;
//! 3. one is started there, together with a watchdog.
//!
//! Every process that uses the shared cluster holds a shared `flock` on the file `users`, which the kernel drops however
//! the process ends. The watchdog, a small shell loop in a session of its own, stops the cluster and removes its
//! folder when nobody has held that lock for some time. Whoever attaches, starts or removes a cluster holds the
//! file `gate` meanwhile.
//!
//! A missing PostgreSQL fails the test with a sentence; tests are never skipped silently.

mod role;

use std::ffi::OsString;
use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use aws_lc_rs::digest;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use url::Url;
use uuid::Uuid;

pub use self::role::TestRole;

/// The environment variable with the URL of a cluster to use, as a superuser: `postgres://postgres@127.0.0.1:5432`.
/// The database in it does not matter.
pub const VARIABLE: &str = "PULP_TEST_POSTGRES";

/// How many seconds the shared cluster survives its last user: long enough for the next test binary to start.
const IDLE: u32 = 30;

/// How many seconds a cluster survives an owner that was killed.
const ORPHANED: u32 = 2;

/// For speed alone: what is lost in a crash of the machine was worth nothing.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 400
shared_buffers = 64MB
timezone = 'UTC'
";

/// Where test databases come from; see [`Database::create`].
#[derive(Debug)]
pub struct Database;

/// One test's own database. Dropping it drops the database, with everybody who is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    /// Where it is, with the right to do everything in it: `postgres://postgres@127.0.0.1:54321/test_…`.
    pub url: String,
    name: String,
    server: Url,
}

impl Database {
    /// Makes an empty database with a name of its own.
    ///
    /// # Panics
    /// When there is no PostgreSQL, or it refuses; that fails the test with a reason.
    pub async fn create() -> TestDatabase {
        create("template0").await
    }

    /// Makes a copy of a template, which is much faster than running migrations in every test.
    ///
    /// `build` makes the template: it is given the URL of an empty database and runs once, however many tests and
    /// processes ask for `template` at the same time. Templates belong to the test binary that asks, so that a
    /// template never outlives the code that made it.
    ///
    /// # Panics
    /// As [`create`](Self::create); and when `build` fails.
    pub async fn create_from<F, E>(template: &str, build: impl FnOnce(String) -> F) -> TestDatabase
    where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Debug,
    {
        let server = server().await;
        let name = template_name(template);
        let mut connection = connect(&server).await;
        // Held by the connection, so that it ends with a process that is killed.
        execute(&mut connection, format!("SELECT pg_advisory_lock(hashtext('{name}'))")).await;
        let found: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_optional(&mut connection)
            .await
            .expect("the catalogue can be read");
        if found.is_none() {
            let draft = format!("{name}_draft");
            execute(&mut connection, format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await;
            execute(&mut connection, format!("CREATE DATABASE {draft} TEMPLATE template0")).await;
            if let Err(error) = build(address(&server, &draft)).await {
                panic!("the template database {template:?} could not be built: {error:?}");
            }
            // Nobody can connect any more, so that copying never has to wait for somebody to leave.
            execute(&mut connection, format!("ALTER DATABASE {draft} ALLOW_CONNECTIONS false")).await;
            let leave = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{draft}'");
            execute(&mut connection, leave).await;
            execute(&mut connection, format!("ALTER DATABASE {draft} RENAME TO {name}")).await;
        }
        // Closing gives the advisory lock back.
        let _ = connection.close().await;
        create(&name).await
    }
}

async fn create(template: &str) -> TestDatabase {
    let server = server().await;
    let name = format!("test_{}", Uuid::now_v7().simple());
    let mut connection = connect(&server).await;
    execute(&mut connection, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    let _ = connection.close().await;
    TestDatabase { url: address(&server, &name), name, server }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        afterwards(self.server.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }
}

/// Runs a statement at the end of a test.
fn afterwards(server: Url, sql: String) {
    // A runtime cannot block within another one, hence the thread. A failure is left to the cluster's own end: panicking
    // here would hide why a test failed.
    let done = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connection = PgConnection::connect(server.as_str()).await.map_err(io::Error::other)?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(io::Error::other)?;
            connection.close().await.map_err(io::Error::other)
        })
    });
    let _: Result<io::Result<()>, _> = done.join();
}

/// The URL of the cluster that this process uses.
async fn server() -> Url {
    static SERVER: OnceLock<(Url, Option<Cluster>)> = OnceLock::new();
    let find = || {
        SERVER.get_or_init(|| {
            if let Ok(given) = std::env::var(VARIABLE) {
                let url = Url::parse(&given).unwrap_or_else(|error| panic!("{VARIABLE} is not a URL: {error}"));
                return (with_database(url, "postgres"), None);
            }
            let room = std::env::temp_dir().join(format!("pulp-test-postgres-{}", rustix::process::geteuid().as_raw()));
            let cluster =
                Cluster::share(&room, IDLE).unwrap_or_else(|error| panic!("no PostgreSQL for tests: {error}"));
            let url = Url::parse(&cluster.url).expect("a URL that was just put together is one");
            (url, Some(cluster))
        })
    };
    let found = tokio::task::spawn_blocking(move || find().0.clone()).await;
    found.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

fn with_database(mut url: Url, name: &str) -> Url {
    url.set_path(name);
    url
}

fn address(server: &Url, name: &str) -> String {
    with_database(server.clone(), name).into()
}

async fn connect(server: &Url) -> PgConnection {
    PgConnection::connect(server.as_str()).await.unwrap_or_else(|error| panic!("PostgreSQL for tests is away: {error}"))
}

async fn execute(connection: &mut PgConnection, sql: String) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await {
        panic!("{sql}: {error}");
    }
}

/// A name within PostgreSQL's 63 bytes that changes whenever the test binary does.
fn template_name(template: &str) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(template.as_bytes());
    if let Ok(program) = std::env::current_exe() {
        hash.update(program.as_os_str().as_encoded_bytes());
        let changed = fs::metadata(&program).map(|file| (file.ino(), file.mtime(), file.mtime_nsec()));
        hash.update(format!("{changed:?}").as_bytes());
    }
    format!("template_{}", hex::encode(&hash.finish().as_ref()[..16]))
}

/// A running throw-away PostgreSQL cluster on 127.0.0.1, superuser `postgres`, without a password.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    folder: PathBuf,
    programs: Programs,
    owned: bool,
    /// Locked as long as this process lives or holds the cluster.
    _users: File,
}

impl Cluster {
    /// Starts a cluster of one's own in a folder, which is made if need be. Dropping it stops it and removes its files;
    /// if this process is killed, that happens two seconds later.
    ///
    /// Started as root, PostgreSQL runs as the user `postgres` or `nobody`, who must be able to reach the folder.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start, with a sentence that says why.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let room = Room::open(folder)?;
        let _gate = room.gate()?;
        Self::fresh(&room, ORPHANED, true)
    }

    /// Where it is: `postgres://postgres@127.0.0.1:54321/postgres`. This is a value for [`VARIABLE`], too.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Uses the cluster that runs in `room`, or starts one that runs on until it was idle for so many seconds.
    fn share(room: &Path, idle: u32) -> io::Result<Self> {
        let room = Room::open(room)?;
        let _gate = room.gate()?;
        let current = fs::read_to_string(room.current()).ok().map(|name| room.0.join(name.trim()));
        if let Some((folder, url)) = current.and_then(|folder| Some((folder.clone(), running(&folder)?))) {
            let cluster = Self { url, folder, programs: Programs::find()?, owned: false, _users: room.join()? };
            cluster.watch(&room, idle)?;
            return Ok(cluster);
        }
        let cluster = Self::fresh(&room, idle, false)?;
        let name = cluster.folder.file_name().unwrap_or_default();
        fs::write(room.current(), name.as_encoded_bytes())?;
        Ok(cluster)
    }

    fn fresh(room: &Room, idle: u32, owned: bool) -> io::Result<Self> {
        let programs = Programs::find()?;
        let folder = room.0.join(Uuid::now_v7().simple().to_string());
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        if let Some((user, group)) = programs.user {
            chown(&folder, Some(user), Some(group))?;
        }
        let mut cluster = Self { url: String::new(), folder, programs, owned, _users: room.join()? };
        // Before there is anything to stop, so that nothing stays if we are killed while it starts.
        cluster.watch(room, idle)?;
        cluster.url = cluster.programs.launch(&cluster.folder).inspect_err(|_| {
            let _ = fs::remove_dir_all(&cluster.folder);
        })?;
        Ok(cluster)
    }

    /// Starts the watchdog, unless the cluster has one. Two can start at the same time; then the second one leaves.
    fn watch(&self, room: &Room, idle: u32) -> io::Result<()> {
        if File::create(self.folder.join("watched"))?.try_lock().is_err() {
            return Ok(());
        }
        let mut watchdog = Command::new("setsid");
        watchdog
            .args(["sh", "-c", WATCHDOG, "pulp-test-postgres"])
            .arg(&room.0)
            .arg(&self.folder)
            .arg(idle.to_string());
        watchdog.args(self.programs.line("pg_ctl", stop(&self.folder)));
        watchdog.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Nobody waits for it: it is meant to outlive us.
        watchdog.spawn().map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.owned {
            // What fails here is tried again by the watchdog.
            let _ = self.programs.run(&self.folder, "pg_ctl", stop(&self.folder));
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// `$1` room, `$2` cluster, `$3` idle seconds; the rest is the command that stops the cluster. Descriptor 9 marks that
/// the cluster is watched; what is started must not inherit it, or it would seem watched after the watchdog's death.
const WATCHDOG: &str = r#"
room=$1 cluster=$2 idle=$3; shift 3
exec 9>"$cluster/watched" && flock -n 9 || exit 0
quiet=0
while [ -d "$cluster" ]; do
    sleep 1 9>&-
    if flock -n "$room/users" true 9>&-; then quiet=$((quiet + 1)); else quiet=0; fi
    [ "$quiet" -ge "$idle" ] || continue
    exec 8>"$room/gate" && flock 8
    if flock -n "$room/users" true 9>&-; then
        "$@" 8>&- 9>&-
        [ "$(cat "$room/current")" != "${cluster##*/}" ] || rm -f "$room/current"
        rm -rf "$cluster"
    fi
    exec 8>&-
done
"#;

fn stop(folder: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["stop", "-w", "-m", "immediate", "-D"].map(OsString::from).into();
    arguments.push(folder.join("data").into());
    arguments
}

/// The URL of the cluster in `folder`, if it runs: `postmaster.pid` holds the process id in line 1 and the port in line
/// 4 (PostgreSQL documentation, "Database File Layout").
fn running(folder: &Path) -> Option<String> {
    let state = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    let mut lines = state.lines();
    let process = rustix::process::Pid::from_raw(lines.next()?.trim().parse().ok()?)?;
    let port: u16 = lines.nth(2)?.trim().parse().ok()?;
    // No permission means that it lives, as another user.
    let lives = !matches!(rustix::process::test_kill_process(process), Err(rustix::io::Errno::SRCH));
    let answers = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok();
    (lives && answers).then(|| format!("postgres://postgres@127.0.0.1:{port}/postgres"))
}

/// The folder in which clusters and their lock files live.
struct Room(PathBuf);

impl Room {
    fn open(folder: &Path) -> io::Result<Self> {
        // Others may pass through, because PostgreSQL may have to run as another user.
        fs::DirBuilder::new().recursive(true).mode(0o711).create(folder)?;
        let folder = folder.canonicalize()?;
        if fs::metadata(&folder)?.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other(format!("{} belongs to somebody else", folder.display())));
        }
        Ok(Self(folder))
    }

    fn current(&self) -> PathBuf {
        self.0.join("current")
    }

    /// Waits until nobody else starts, joins or removes a cluster here.
    fn gate(&self) -> io::Result<File> {
        let gate = File::create(self.0.join("gate"))?;
        gate.lock()?;
        Ok(gate)
    }

    fn join(&self) -> io::Result<File> {
        let users = File::create(self.0.join("users"))?;
        users.lock_shared()?;
        Ok(users)
    }
}

/// PostgreSQL's programs, and as whom to run them.
#[derive(Debug)]
struct Programs {
    folder: PathBuf,
    /// User and group id; set when we are root, which PostgreSQL refuses to run as.
    user: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> io::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // A link leads to where its neighbours are.
        let linked = std::env::split_paths(&path)
            .filter_map(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()));
        let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
            .unwrap_or_default();
        let version = |bin: &PathBuf| -> Option<u32> { bin.parent()?.file_name()?.to_str()?.parse().ok() };
        packaged.sort_by_key(|bin| std::cmp::Reverse(version(bin)));
        let complete = |bin: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| bin.join(name).is_file());
        let folder = linked.chain(packaged).find(complete).ok_or_else(|| {
            io::Error::other(format!(
                "initdb, pg_ctl and postgres are neither in PATH nor below /usr/lib/postgresql; \
                 install the PostgreSQL server, or set {VARIABLE} to the URL of one"
            ))
        })?;
        let user = if rustix::process::geteuid().is_root() { Some(unprivileged()?) } else { None };
        Ok(Self { folder, user })
    }

    /// Makes and starts a cluster in `folder`, and returns its URL.
    fn launch(&self, folder: &Path) -> io::Result<String> {
        let data = folder.join("data");
        let mut arguments: Vec<OsString> =
            ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions", "-D"]
                .map(OsString::from)
                .into();
        arguments.push(data.clone().into());
        self.run(folder, "initdb", arguments)?;
        let settings = data.join("postgresql.conf");
        fs::write(&settings, fs::read_to_string(&settings)? + SETTINGS)?;
        let mut attempts = 5;
        loop {
            // Somebody else may take the port before PostgreSQL does; then another one is tried.
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let mut arguments: Vec<OsString> = ["start", "-w", "-o"].map(OsString::from).into();
            arguments.extend([format!("-p {port}").into(), "-D".into(), data.clone().into()]);
            arguments.extend(["-l".into(), folder.join("log").into()]);
            match self.run(folder, "pg_ctl", arguments) {
                Ok(()) => return Ok(format!("postgres://postgres@127.0.0.1:{port}/postgres")),
                Err(_) if attempts > 1 => attempts -= 1,
                Err(error) => {
                    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                    return Err(io::Error::other(format!("{error}\n{log}")));
                }
            }
        }
    }

    /// Runs a program to its end, within `folder`, because our own working folder may be closed to its user.
    fn run(&self, folder: &Path, program: &str, arguments: Vec<OsString>) -> io::Result<()> {
        let line = self.line(program, arguments);
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir(folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        let output = command.env("LC_ALL", "C").output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{program} failed ({}): {}", output.status, said.trim())))
    }

    /// The command line that runs a program as the right user.
    fn line(&self, program: &str, arguments: Vec<OsString>) -> Vec<OsString> {
        let mut line = Vec::new();
        if let Some((user, group)) = self.user {
            line.extend(["setpriv".into(), format!("--reuid={user}").into(), format!("--regid={group}").into()]);
            line.extend(["--clear-groups".into(), "--".into()]);
        }
        line.push(self.folder.join(program).into());
        line.extend(arguments);
        line
    }
}

/// The ids of a user who may run PostgreSQL, from the system's own list (passwd(5)).
fn unprivileged() -> io::Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    found.ok_or_else(|| io::Error::other("root may not run PostgreSQL, and there is no user postgres or nobody"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn count(url: &str, sql: &'static str) -> i64 {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        count
    }

    async fn run(url: &str, sql: &'static str) {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    #[tokio::test]
    async fn two_databases_are_apart_and_gone_afterwards() {
        let (one, two) = tokio::join!(Database::create(), Database::create());
        run(&one.url, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await;
        run(&two.url, "CREATE TABLE t (n int)").await;
        assert_eq!(count(&one.url, "SELECT count(*) FROM t").await, 1);
        assert_eq!(count(&two.url, "SELECT count(*) FROM t").await, 0);

        let (url, mut still_open) = (one.url.clone(), PgConnection::connect(&one.url).await.unwrap());
        drop(one);
        still_open.ping().await.unwrap_err();
        let error = PgConnection::connect(&url).await.unwrap_err();
        assert!(error.to_string().contains("does not exist"), "{error}");
        assert_eq!(count(&two.url, "SELECT count(*) FROM t").await, 0);
    }

    #[tokio::test]
    async fn a_template_is_built_once_and_copied() {
        let built = Arc::new(AtomicUsize::new(0));
        let name = Uuid::now_v7().to_string();
        let copy = || {
            Database::create_from(&name, async |url: String| {
                built.fetch_add(1, Ordering::SeqCst);
                run(&url, "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)").await;
                Ok::<_, sqlx::Error>(())
            })
        };
        let (one, two) = tokio::join!(copy(), copy());
        run(&one.url, "INSERT INTO t VALUES (3)").await;
        assert_eq!(count(&one.url, "SELECT count(*) FROM t").await, 3);
        assert_eq!(count(&two.url, "SELECT count(*) FROM t").await, 2);
        assert_eq!(built.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failed_template_is_built_anew() {
        let name = Uuid::now_v7().to_string();
        let fails = tokio::spawn({
            let name = name.clone();
            async move {
                Database::create_from(&name, async |url: String| {
                    run(&url, "CREATE TABLE half_done (n int)").await;
                    Err("no")
                })
                .await
            }
        });
        assert!(fails.await.unwrap_err().is_panic());
        let whole = Database::create_from(&name, async |_| Ok::<_, ()>(())).await;
        assert_eq!(count(&whole.url, "SELECT count(*) FROM pg_tables WHERE tablename = 'half_done'").await, 0);
    }

    #[test]
    fn an_owned_cluster_ends_with_its_owner() {
        let room = tempfile::Builder::new().permissions(open_to_all()).tempdir().unwrap();
        let cluster = Cluster::start(room.path()).unwrap();
        let folder = cluster.folder.clone();
        assert_eq!(running(&folder).as_deref(), Some(cluster.url()));
        drop(cluster);
        assert_eq!(running(&folder), None);
        assert!(!folder.exists());
    }

    #[test]
    fn a_shared_cluster_is_found_again_and_ends_some_time_after_its_last_user() {
        let room = tempfile::Builder::new().permissions(open_to_all()).tempdir().unwrap();
        let first = Cluster::share(room.path(), 1).unwrap();
        let second = Cluster::share(room.path(), 1).unwrap();
        assert_eq!(first.url(), second.url());
        let folder = first.folder.clone();
        drop(first);
        assert!(running(&folder).is_some());

        drop(second);
        let mut backend = TcpStream::connect(backend_of(&folder)).unwrap();
        // The server says nothing before the client does, so this returns when the server ends.
        std::io::copy(&mut backend, &mut io::sink()).ok();
        // The watchdog holds the gate until everything is removed.
        let _gate = Room::open(room.path()).unwrap().gate().unwrap();
        assert!(!folder.exists());
        assert!(!room.path().join("current").exists());
    }

    fn backend_of(folder: &Path) -> SocketAddr {
        let url = Url::parse(&running(folder).unwrap()).unwrap();
        (Ipv4Addr::LOCALHOST, url.port().unwrap()).into()
    }

    fn open_to_all() -> fs::Permissions {
        std::os::unix::fs::PermissionsExt::from_mode(0o711)
    }
}
