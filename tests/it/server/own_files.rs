//! The server's own files are never served, in any directory and under any name.

use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Makes a certificate as an operator would have it.
fn make_pair(directory: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::create_dir_all(directory).unwrap();
    // New files take the place of the old ones, because a renewal makes new files.
    for (name, content) in [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
    ] {
        fs::write(directory.join("next"), content).unwrap();
        fs::rename(directory.join("next"), directory.join(name)).unwrap();
    }
}

fn status(server: &Server, target: &str) -> u16 {
    let answer = server.request(&format!("GET {target} HTTP/1.1"));
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn all_are(server: &Server, expected: u16, targets: &[&str]) {
    for target in targets {
        assert_eq!(status(server, target), expected, "{target}");
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Puts keys, certificates and a log into the served directory, and links to them.
fn careless(site: &Path) {
    make_pair(&site.join("tls"));
    fs::create_dir(site.join("logs")).unwrap();
    fs::write(site.join("logs/notes.txt"), "notes").unwrap();
    fs::write(site.join("logs/access.log"), "").unwrap();
    fs::write(site.join("404.html"), "nothing").unwrap();
    symlink("tls/key.pem", site.join("soft.txt")).unwrap();
    symlink(site.join("tls/key.pem"), site.join("absolute.txt")).unwrap();
    symlink("tls", site.join("directory")).unwrap();
    fs::hard_link(site.join("tls/key.pem"), site.join("hard.txt")).unwrap();
    fs::hard_link(site.join("logs/access.log"), site.join("visitors.txt")).unwrap();
    // Links as an index, as a sidecar, and as the page for missing files.
    fs::create_dir(site.join("index")).unwrap();
    symlink("../tls/key.pem", site.join("index/index.html")).unwrap();
    fs::write(site.join("page.html"), "page").unwrap();
    symlink("tls/key.pem", site.join("page.html.br")).unwrap();
}

fn options(site: &str) -> Vec<String> {
    let at = |path: &str| format!("{site}/{path}");
    let mut options = vec!["--listing".into(), "--cert".into(), at("tls/cert.pem")];
    options.extend(["--key".into(), at("tls/key.pem")]);
    options.extend(["--access-log".into(), at("logs/access.log")]);
    options
}

#[test]
fn keys_certificates_and_logs_in_the_served_directory_are_neither_served_nor_listed() {
    let options = options("site");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::with_site(&options, careless);
    let site = server.directory.path().join("site");
    let own = [
        "/tls/key.pem",
        "/tls/cert.pem",
        "/tls/",
        "/soft.txt",
        "/absolute.txt",
        "/directory/key.pem",
        "/hard.txt",
        "/visitors.txt",
        "/logs/access.log",
        "/tls%2fkey.pem",
    ];
    let others = ["/", "/page.html", "/logs/notes.txt", "/index/"];
    all_are(&server, 404, &own);
    all_are(&server, 200, &others);
    let listing = server.request("GET /index/ HTTP/1.1");
    assert!(!listing.contains("PRIVATE KEY"), "{listing}");
    let sidecar = server.request("GET /page.html HTTP/1.1\r\nAccept-Encoding: br");
    assert!(sidecar.ends_with("page"), "{sidecar}");
    let listing = server.request("GET /logs/ HTTP/1.1");
    assert!(
        listing.contains("notes.txt") && !listing.contains("access.log"),
        "{listing}"
    );
    for (what, mend) in [
        ("the private key", "--key"),
        ("the certificate", "--cert"),
        ("the access log", "--access-log"),
    ] {
        let line = server.logged(&format!("{what} '"));
        assert!(
            line.contains("within the served directory") && line.contains(mend),
            "{line}"
        );
    }

    // The log is rotated, and the certificate renewed.
    fs::rename(site.join("logs/access.log"), site.join("logs/access.log.1")).unwrap();
    server.signal("USR1");
    until("the log is opened again", || {
        site.join("logs/access.log").exists()
    });
    make_pair(&site.join("tls"));
    fs::hard_link(site.join("tls/key.pem"), site.join("renewed.txt")).unwrap();
    fs::hard_link(site.join("logs/access.log"), site.join("today.txt")).unwrap();
    let later = ["/logs/access.log.1", "/renewed.txt", "/today.txt"];
    all_are(&server, 404, &later);
    server.signal("HUP");
    server.logged("the certificate was read again");
    all_are(&server, 404, &own);
    all_are(&server, 404, &later);
    all_are(&server, 200, &others);
}

#[test]
fn users_traces_secrets_authorities_and_settings_in_the_served_directory_are_not_served() {
    let settings = r#"
dir = "site"
demo = true
qlog = "site/trace.sqlog"
tls-key-log = "site/secrets.log"
client-auth = "optional"
client-ca = "site/tls/cert.pem"
proxy = ["/up=http://127.0.0.1:9"]
proxy-ca = "site/ca.pem"
basic-auth = [{ path = "/private/**", users = "site/users" }]
"#;
    let server = Server::configured(settings, |directory| {
        let site = directory.join("site");
        make_pair(&site.join("tls"));
        fs::write(site.join("index.html"), "start").unwrap();
        let own = ["trace.sqlog", "secrets.log", "ca.pem", "users"];
        fs::write(
            site.join("users"),
            "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
        )
        .unwrap();
        fs::copy(site.join("tls/cert.pem"), site.join("ca.pem")).unwrap();
        fs::write(site.join("trace.sqlog"), "").unwrap();
        fs::write(site.join("secrets.log"), "").unwrap();
        for name in own {
            fs::hard_link(site.join(name), site.join(format!("{name}.txt"))).unwrap();
        }
    });
    let own = [
        "/trace.sqlog",
        "/secrets.log",
        "/ca.pem",
        "/users",
        "/tls/cert.pem",
        "/trace.sqlog.txt",
        "/secrets.log.txt",
        "/ca.pem.txt",
        "/users.txt",
    ];
    all_are(&server, 404, &own);
    all_are(&server, 200, &["/"]);
}

#[test]
fn a_file_that_becomes_the_servers_own_is_forgotten_where_it_was_hot() {
    let options = options("site");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::with_site(&options, careless);
    let site = server.directory.path().join("site");
    fs::write(site.join("next.txt"), "hot").unwrap();
    all_are(&server, 200, &["/next.txt"]);
    // The next key was served by mistake, and is in memory.
    fs::remove_file(site.join("tls/key.pem")).unwrap();
    fs::hard_link(site.join("next.txt"), site.join("tls/key.pem")).unwrap();
    server.signal("HUP");
    server.logged("the old certificate stays");
    all_are(&server, 404, &["/next.txt"]);
}

#[test]
fn messages_that_are_redirected_into_the_served_directory_are_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path();
    fs::write(site.join("index.html"), "page").unwrap();
    let log = fs::File::create(site.join("calmd.log")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_calmd"))
        .args([
            ".",
            "--listen",
            "127.0.0.1:0",
            "--listing",
            "--access-log",
            "-",
        ])
        .current_dir(site)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("calmd starts");
    let said = || fs::read_to_string(site.join("calmd.log")).unwrap_or_default();
    until("it listens", || {
        said().contains("http://") && said().ends_with('\n')
    });
    let said = said();
    let address = said
        .lines()
        .find_map(|line| Some(line.split_once("http://")?.1.trim()));
    let get = |target: &str| {
        let mut stream = std::net::TcpStream::connect(address.unwrap()).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    let answers = [get("/calmd.log"), get("/")];
    fs::rename(site.join("calmd.log"), site.join("moved.txt")).unwrap();
    let moved = get("/moved.txt");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answers[0].starts_with("HTTP/1.1 404"), "{}", answers[0]);
    assert!(answers[1].starts_with("HTTP/1.1 200"), "{}", answers[1]);
    assert!(moved.starts_with("HTTP/1.1 404"), "{moved}");
    assert!(said.contains("standard error '"), "{said}");
}

/// Starts calmd in a directory with nothing but the given environment. Returns its messages at the
/// start, and the process.
fn start(directory: &Path, environment: &[(&str, &Path)]) -> (String, std::process::Child) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_calmd"))
        .args([
            ".",
            "--listen",
            ":0",
            "--listen-tls",
            "127.0.0.1:0",
            "--access-log",
            "-",
        ])
        .current_dir(directory)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("calmd starts");
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        said.push_str(&line.unwrap());
        said.push('\n');
        if said.contains("self-signed certificate for localhost, ")
            || said.contains("with the self")
        {
            break;
        }
    }
    (said, child)
}

#[test]
fn the_made_pair_lies_where_nothing_is_served_and_the_start_says_where() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("index.html"), "").unwrap();
    let home = directory.path().join("home");
    let state = home.join(".local/state/calmd");
    for made in ["made a self-signed", "with the self-signed"] {
        let (said, mut child) = start(&site, &[("HOME", &home)]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            said.contains(made) && said.contains(state.to_str().unwrap()),
            "{said}"
        );
        assert!(
            said.contains("(all addresses)") || said.contains("(all IPv4 addresses)"),
            "{said}"
        );
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state.join("localhost.key")), 0o600);
    assert_eq!(mode(&state), 0o700);
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for environment in [&[][..], &[("STATE_DIRECTORY", file.as_path())]] {
        let (said, mut child) = start(&site, environment);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(said.contains("in memory"), "{said}");
    }
    assert_eq!(
        fs::read_dir(&site).unwrap().count(),
        1,
        "the site has its page only"
    );
}
