//! The client's role against servers that others wrote, and against our own: over a socket, in whatever
//! pieces their bytes come.
//!
//! A server that this machine does not have is not asked; `.ci/run` installs all of them.

use calmd::h1::{BodyLength, ClientConnection, ResponseEvent};
use calmd::http::{Field, Fields};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Server};

/// A response as its reader sees it.
struct H1Got {
    status: u16,
    fields: Fields,
    content: Vec<u8>,
}

/// A connection to a server.
struct ClientLink {
    core: ClientConnection,
    socket: TcpStream,
    input: Vec<u8>,
    fields: Fields,
}

impl ClientLink {
    fn open(address: SocketAddr) -> ClientLink {
        let socket = TcpStream::connect(address).expect("a server that listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        ClientLink {
            core: ClientConnection::new(Arc::default(), Instant::now()),
            socket,
            input: Vec::new(),
            fields: Fields::new(),
        }
    }

    fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> H1Got {
        let head = [
            (":method", method),
            (":authority", "localhost"),
            (":path", path),
        ];
        let head = head.iter().chain(fields);
        let head = head.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        self.core
            .send_request(head, BodyLength::None, Instant::now())
            .expect("a request that can be sent");
        let output = self.core.take_output();
        self.socket.write_all(&output).expect("a server that reads");
        self.response()
    }

    fn response(&mut self) -> H1Got {
        let mut got = H1Got {
            status: 0,
            fields: Fields::new(),
            content: Vec::new(),
        };
        loop {
            let mut rest = self.input.as_slice();
            let event = self
                .core
                .receive(&mut rest, &mut self.fields, Instant::now())
                .expect("a response without fault");
            let end = match event {
                Some(ResponseEvent::Response {
                    fields, end_stream, ..
                }) => {
                    got.status = fields.status().expect("a status");
                    got.fields = fields.clone();
                    end_stream
                }
                Some(ResponseEvent::Data { data, end_stream }) => {
                    got.content.extend_from_slice(data);
                    end_stream
                }
                Some(other) => panic!("{other:?} that nobody asked for"),
                None => {
                    let left = rest.len();
                    self.input.drain(..self.input.len() - left);
                    self.read();
                    continue;
                }
            };
            let left = rest.len();
            self.input.drain(..self.input.len() - left);
            if end {
                return got;
            }
        }
    }

    /// Reads a few bytes at a time, so that heads and chunks are cut everywhere.
    fn read(&mut self) {
        let mut piece = [0; 37];
        match self.socket.read(&mut piece).expect("an answer in time") {
            0 => self.core.finish_input(),
            len => self.input.extend_from_slice(&piece[..len]),
        }
    }
}

/// A program that serves a directory, and ends with the test.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server on a free port; none where the machine does not have it.
fn start(name: &str, arguments: impl FnOnce(u16) -> Vec<String>) -> Option<(Other, SocketAddr)> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.expect("a free port");
    let started = Command::new(name)
        .args(arguments(address.port()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        eprintln!("not asked: {name} is not installed");
        return None;
    };
    let mut other = Other(child);
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Ok(Some(status)) = other.0.try_wait() {
            panic!("{name} ended: {status}");
        }
        assert!(begun.elapsed() < PATIENCE, "{name} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((other, address))
}

fn content() -> String {
    (0..9_000).map(|i| format!("{i}\n")).collect()
}

fn site(directory: &Path) {
    fs::create_dir_all(directory.join("many")).expect("a directory");
    fs::write(directory.join("file.txt"), content()).expect("a file");
    fs::write(directory.join("empty.txt"), "").expect("a file");
}

/// Everything that each of them answers alike.
fn fetch_all(name: &str, address: SocketAddr) {
    let mut link = ClientLink::open(address);
    let mut connections = 1;
    for (method, path, fields, status, expected) in [
        ("GET", "/file.txt", &[][..], 200, content()),
        (
            "GET",
            "/file.txt",
            &[("accept-encoding", "gzip")],
            200,
            String::new(),
        ),
        ("HEAD", "/file.txt", &[], 200, String::new()),
        ("GET", "/empty.txt", &[], 200, String::new()),
        ("GET", "/missing", &[], 404, String::new()),
        ("GET", "/many/", &[], 200, String::new()),
        ("GET", "/file.txt", &[], 200, content()),
    ] {
        if !link.core.is_idle() {
            assert!(link.core.wants_close(), "{name}");
            link = ClientLink::open(address);
            connections += 1;
        }
        let got = link.ask(method, path, fields);
        assert_eq!(
            got.status, status,
            "{name}: {method} {path}: {:?}",
            got.fields
        );
        if !expected.is_empty() || path == "/empty.txt" {
            assert!(
                got.content == expected.as_bytes(),
                "{name}: {method} {path}"
            );
        }
        if method == "HEAD" {
            assert!(got.content.is_empty(), "{name}");
        }
    }
    // One that does not keep its connections is the only one to need more of them.
    assert!(
        connections == 1 || name == "http.server",
        "{name}: {connections}"
    );
    let got = ClientLink::open(address).ask("HEAD", "/file.txt", &[]);
    // Some tell no time of a file that has just been written.
    let (name_of_condition, validator) = match got.fields.value("etag") {
        Some(etag) => ("if-none-match", etag),
        None => {
            let date = got.fields.value("last-modified");
            ("if-modified-since", date.expect("one validator"))
        }
    };
    let validator = String::from_utf8_lossy(validator).into_owned();
    let condition = [(name_of_condition, validator.as_str())];
    let got = ClientLink::open(address).ask("GET", "/file.txt", &condition);
    assert_eq!((got.status, got.content.len()), (304, 0), "{name}");
}

#[test]
fn calmd_is_understood() {
    let server = Server::with_site(&["--listing"], site);
    fetch_all("calmd", server.http);
}

#[test]
fn python_is_understood() {
    let directory = tempfile::tempdir().expect("a directory");
    site(directory.path());
    let place = directory.path().display();
    let started = start("python3", |port| {
        format!("-m http.server {port} --bind 127.0.0.1 --directory {place}")
            .split(' ')
            .map(str::to_owned)
            .collect()
    });
    if let Some((_server, address)) = started {
        fetch_all("http.server", address);
    }
}

#[test]
fn nginx_is_understood() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    site(&place.join("site"));
    open_to_all(place);
    let conf = place.join("conf");
    let started = start("nginx", |port| {
        let text = format!(
            "worker_processes 1; daemon off; pid {0}/pid; error_log {0}/log;\n\
             events {{}}\nhttp {{ access_log off; gzip on; gzip_min_length 1; gzip_types *;\n\
             client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c;\n\
             uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n\
             server {{ listen 127.0.0.1:{port}; root {0}/site; autoindex on; }} }}\n",
            place.display()
        );
        fs::write(&conf, text).expect("a file");
        let log = place.join("log");
        let paths = ["-e".into(), log, "-c".into(), conf.clone()];
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    });
    if let Some((_server, address)) = started {
        fetch_all("nginx", address);
    }
}

#[test]
fn lighttpd_is_understood() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    site(&place.join("site"));
    open_to_all(place);
    let conf = place.join("conf");
    let started = start("lighttpd", |port| {
        let text = format!(
            "server.document-root = \"{0}/site\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
             server.modules = (\"mod_dirlisting\")\ndir-listing.activate = \"enable\"\n\
             mimetype.assign = (\".txt\" => \"text/plain\")\n",
            place.display()
        );
        fs::write(&conf, text).expect("a file");
        vec!["-D".into(), "-f".into(), conf.display().to_string()]
    });
    if let Some((_server, address)) = started {
        fetch_all("lighttpd", address);
    }
}

#[test]
fn h2o_is_understood() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    site(&place.join("site"));
    open_to_all(place);
    let conf = place.join("conf");
    let started = start("h2o", |port| {
        let text = format!(
            "listen:\n  host: 127.0.0.1\n  port: {port}\nuser: root\nnum-threads: 1\ncompress: on\n\
             hosts:\n  default:\n    paths:\n      /:\n        file.dir: {0}/site\n        \
             file.dirlisting: on\n",
            place.display()
        );
        fs::write(&conf, text).expect("a file");
        vec!["-c".into(), conf.display().to_string()]
    });
    if let Some((_server, address)) = started {
        fetch_all("h2o", address);
    }
}

/// Lets the user of a server that gives up being root read the directory.
fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory, mode).expect("a directory of ours");
}
