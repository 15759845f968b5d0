//! A real PostgreSQL on loopback: found among Debian's packages (or installed from them), started without
//! privileges on a free port in a folder of its own, and stopped when the last test that uses it ends.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
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
    keeper: Child,
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

    fn start() -> Self {
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
        let server = unprivileged(&programs.join("postgres"));
        let keeper = Command::new("sh")
            .args(["-c", "\"$@\" & cat; kill -INT $!; wait $!", "sh"])
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "fsync=off", "-c", "ssl=on", "-k"])
            .arg(folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { folder, programs, port, keeper };
        let patience = Instant::now() + PATIENCE;
        while !server.psql("select 1").status.success() {
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < patience, "PostgreSQL does not start:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// A connection string of the superuser.
    pub fn dsn(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
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
        succeeded(sql, &self.psql(sql));
    }

    fn psql(&self, sql: &str) -> Output {
        Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", &self.dsn(), "-c", sql])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
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
