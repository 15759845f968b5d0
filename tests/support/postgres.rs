//! A real PostgreSQL on loopback: found among Debian's packages (or installed from them), started without
//! privileges on a free port in a folder of its own, and stopped when the last test that uses it ends.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// PostgreSQL refuses to run as root; Debian's `nobody` and `nogroup` have this id.
const NOBODY: u32 = 65_534;

/// What one connection to a fresh server may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// A running server. Its superuser `postgres` needs no password on loopback.
pub struct Server {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    /// A shell that stops the server once its standard input ends: so it ends with this process, however that ends.
    /// `None` while the server is stopped.
    keeper: Mutex<Option<Child>>,
}

impl Server {
    /// The server of all tests of this process; the first asks for it, the last stops it.
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of this test's own, which it may stop.
    pub fn start() -> Self {
        let programs = programs();
        let folder = TempDir::new().unwrap();
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.path().join("data");
        let initdb = unprivileged(&programs.join("initdb"))
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--pgdata",
            ])
            .arg(&data)
            .current_dir(folder.path())
            .output();
        succeeded("initdb", &initdb.unwrap());
        certify(&data);

        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, programs, port, keeper: Mutex::new(None) };
        server.start_again();
        server
    }

    /// Starts it after [`Server::stop`], on the same port, with what it held.
    pub fn start_again(&self) {
        let folder = self.folder.path();
        let server = unprivileged(&self.programs.join("postgres"));
        let keeper = Command::new("sh")
            .args(["-c", "\"$@\" & cat; kill -INT $!; wait $!", "sh"])
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-c", "fsync=off", "-c", "ssl=on", "-k"])
            .arg(folder)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        *self.keeper.lock().unwrap() = Some(keeper);
        let patience = Instant::now() + PATIENCE;
        while !self.psql("postgres", "select 1").status.success() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < patience, "PostgreSQL does not start:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it, and with it every connection.
    pub fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(mut keeper) = keeper {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    /// A connection string of the superuser.
    pub fn dsn(&self) -> String {
        self.dsn_of("postgres")
    }

    /// The same, of another database.
    pub fn dsn_of(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Makes a database; gives its name.
    pub fn create_database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name}"));
        name
    }

    pub fn drop_database(&self, name: &str) {
        let _ = self.psql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
    }

    /// The same, encrypted; its certificate is [`Server::certificate`].
    pub fn dsn_with_tls(&self) -> String {
        self.dsn().replace("sslmode=disable", "sslmode=verify-full")
    }

    /// The certificate that the server shows and signed itself.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("data/server.crt")
    }

    /// Runs SQL.
    pub fn run(&self, sql: &str) {
        self.run_in("postgres", sql);
    }

    /// Runs SQL in a database.
    pub fn run_in(&self, database: &str, sql: &str) {
        succeeded(sql, &self.psql(database, sql));
    }

    fn psql(&self, database: &str, sql: &str) -> Output {
        Command::new(self.programs.join("psql"))
            .args([
                "--no-psqlrc",
                "--quiet",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.dsn_of(database),
                "-c",
                sql,
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The newest server's programs, installed where there are none and this process may.
fn programs() -> PathBuf {
    if let Some(programs) = find() {
        return programs;
    }
    assert!(is_root(), "these tests need a PostgreSQL server: apt-get install postgresql");
    for args in [&["update"][..], &["install", "--yes", "--no-install-recommends", "postgresql"]] {
        let output = Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").output();
        succeeded("apt-get", &output.expect("apt-get is there"));
    }
    find().expect("the package holds the server")
}

fn find() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let version =
        |programs: &PathBuf| -> Option<u32> { programs.parent()?.file_name()?.to_str()?.parse().ok() };
    programs.filter(|programs| programs.join("initdb").is_file()).max_by_key(version)
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// A program of the server, run as nobody where this process is root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let id = NOBODY.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(program);
    command
}

/// Writes a key and a certificate that is its own authority.
fn certify(data: &Path) {
    let mut openssl = unprivileged(Path::new("openssl"));
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-days", "3650", "-subj", "/CN=loopback", "-keyout", "server.key", "-out", "server.crt"]);
    openssl.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    succeeded("openssl", &openssl.current_dir(data).output().unwrap());
}

#[track_caller]
fn succeeded(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}:\n{}", String::from_utf8_lossy(&output.stderr));
}
