//! A server process of its own for each test, and small clients over real sockets.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Time that tests wait at most: long enough for a loaded machine, short enough for one test to fail
/// without stopping the suite.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running calmd that serves a directory of its own, and ends with the test.
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    /// The lines of standard output behind the addresses.
    told: Arc<Mutex<Vec<String>>>,
    /// The directory of the server. It serves `site` in it, and makes certificates in `certs`.
    pub directory: TempDir,
    /// The address of the cleartext listener.
    pub http: SocketAddr,
    /// The address of the TLS listener.
    pub https: SocketAddr,
}

/// Makes a site with a start page, and lets `prepare` add to it.
fn fill_site(directory: &Path, prepare: impl FnOnce(&Path)) {
    let site = directory.join("site");
    fs::create_dir(&site).expect("the site's directory");
    let page = "<!doctype html><title>start</title>";
    fs::write(site.join("index.html"), page).unwrap();
    prepare(&site);
}

impl Server {
    /// Starts the server with options, on free ports.
    pub fn start(options: &[&str]) -> Server {
        Self::with_site(options, |_| {})
    }

    /// Starts the server after `prepare` has filled the site's directory.
    pub fn with_site(options: &[&str], prepare: impl FnOnce(&Path)) -> Server {
        Self::serving("site", options, |directory| fill_site(directory, prepare))
    }

    /// Starts the server for the root `root` in its directory, which `prepare` fills.
    pub fn serving(root: &str, options: &[&str], prepare: impl FnOnce(&Path)) -> Server {
        let program = Command::new(env!("CARGO_BIN_EXE_calmd"));
        Self::launch(program, Some(root), options, prepare)
    }

    /// Starts the server with the settings file `calmd.toml` of this text, in a directory that `prepare`
    /// fills.
    pub fn configured(settings: &str, prepare: impl FnOnce(&Path)) -> Server {
        let program = Command::new(env!("CARGO_BIN_EXE_calmd"));
        Self::launch(program, None, &["--config", "calmd.toml"], |directory| {
            fs::write(directory.join("calmd.toml"), settings).expect("a settings file");
            prepare(directory);
        })
    }

    /// A server of a site under a limit of open files that it cannot raise.
    pub fn with_open_files(limit: usize, options: &[&str], prepare: impl FnOnce(&Path)) -> Server {
        let mut shell = Command::new("sh");
        let script = "ulimit -n \"$0\"; exec \"$@\"";
        let program = env!("CARGO_BIN_EXE_calmd");
        shell.args(["-c", script, &limit.to_string(), program]);
        Self::launch(shell, Some("site"), options, |directory| {
            fill_site(directory, prepare)
        })
    }

    /// A server of a site that this command starts, whose arguments go to the server.
    pub fn by(command: Command, options: &[&str], prepare: impl FnOnce(&Path)) -> Server {
        Self::launch(command, Some("site"), options, |directory| {
            fill_site(directory, prepare)
        })
    }

    /// A server of a site with variables in its environment.
    pub fn with_environment(variables: &[(&str, &str)], options: &[&str]) -> Server {
        let mut program = Command::new(env!("CARGO_BIN_EXE_calmd"));
        program.envs(variables.iter().copied());
        Self::launch(program, Some("site"), options, |directory| {
            fill_site(directory, |_| {})
        })
    }

    fn launch(
        mut command: Command,
        root: Option<&str>,
        options: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Server {
        let directory = tempfile::tempdir().expect("a temporary directory");
        prepare(directory.path());
        let mut child = command
            .args(root.map(|root| directory.path().join(root)))
            .args(["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"])
            // The variables that Cargo sets are meant for the test, not for the server.
            .env_remove("CARGO_MANIFEST_DIR")
            .env("STATE_DIRECTORY", directory.path().join("certs"))
            .args(options)
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("calmd starts");
        let log = collect(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |scheme: &str| -> SocketAddr {
            lines
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| Some(line.split_once(scheme)?.1.trim().to_owned()))
                .expect("calmd prints its addresses")
                .parse()
                .expect("an address")
        };
        let http = address("http://");
        let https = address("https://");
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = told.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                list.lock().expect("nobody panics with it").push(line);
            }
        });
        Server {
            child,
            log,
            told,
            directory,
            http,
            https,
        }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process ends, and returns its exit code.
    pub fn wait(&mut self) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code().unwrap_or(-1);
            }
            assert!(start.elapsed() < PATIENCE, "calmd does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The text of standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    /// Waits until standard error has a line with `text`, and returns that line.
    pub fn logged(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "no {text:?} in: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until standard output has a line with `text` behind the addresses, and returns that line.
    pub fn told(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let told = self.told.lock().expect("nobody panics with it").clone();
            if let Some(line) = told.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(start.elapsed() < PATIENCE, "no {text:?} in: {told:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A connection to the cleartext port.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.http).expect("calmd accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends bytes on a new connection and returns everything until it is closed.
    pub fn converse(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("calmd reads");
        let mut answer = Vec::new();
        // A reset after the answer is an end as well.
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// One HTTP/1.1 request on a connection of its own: the answer as text.
    pub fn request(&self, head: &str) -> String {
        let request = format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&self.converse(request.as_bytes())).into_owned()
    }

    /// The process's own memory in KiB. Unlike the proportional set size, it does not depend on other
    /// processes of the program.
    pub fn anonymous_kib(&self) -> u64 {
        self.proc_kib("smaps_rollup", "Anonymous:")
    }

    /// The value of a line of `/proc/PID/status`, in KiB.
    pub fn status_kib(&self, label: &str) -> u64 {
        self.proc_kib("status", label)
    }

    fn proc_kib(&self, file: &str, label: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))
            .expect("Linux tells a process's memory");
        let line = text.lines().find(|line| line.starts_with(label));
        line.and_then(|line| line.split_whitespace().nth(1))
            .expect("a line of that name")
            .parse()
            .expect("a number")
    }
}

/// Sends a request on a connection that stays open: the answer up to its last bytes, as text.
pub fn exchange(stream: &mut TcpStream, request: &[u8], last: &[u8]) -> String {
    stream.write_all(request).expect("calmd reads");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(last) {
        let len = stream.read(&mut buffer).expect("an answer");
        let so_far = String::from_utf8_lossy(&answer);
        assert!(len > 0, "it ended before the answer did: {so_far}");
        answer.extend_from_slice(&buffer[..len]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects the server's messages, and prints them again.
fn collect(stderr: ChildStderr) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let filled = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            let mut log = filled.lock().expect("nobody panics with it");
            log.push_str(&line);
            log.push('\n');
        }
    });
    log
}
