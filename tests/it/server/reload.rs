//! A settings file that is read again by a running server, in its sandbox.

use crate::server::metrics::metrics;
use crate::server::named_hosts::{certify, sites};
use crate::server::tls::{connect_to, trusting};
use crate::support::{PATIENCE, Server, exchange};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The users `ann` with the password `secret`, and with `{SHA}other`.
const SECRET: &str = "ann:$2y$05$jqZBkUlc19j3nWlosfvrfuur6CPP72NWtc.VZ3nN8Y5klhI0Krqda\n";
const OTHER: &str = "ann:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n";

/// Writes a file as an editor does, which puts a new one in its place.
fn write(server: &Server, name: &str, text: &str) {
    let path = server.directory.path().join(name);
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// Has everything read again, and returns the line that tells of it.
fn reload(server: &Server) -> String {
    const OUTCOMES: [&str; 2] = ["the settings were read again", "the old settings stay: "];
    let outcomes = |log: &str| -> Vec<String> {
        let is_outcome = |line: &&str| OUTCOMES.iter().any(|outcome| line.contains(outcome));
        log.lines().filter(is_outcome).map(Into::into).collect()
    };
    let before = outcomes(&server.log()).len();
    server.signal("HUP");
    let start = Instant::now();
    loop {
        if let Some(line) = outcomes(&server.log()).get(before) {
            return line.clone();
        }
        assert!(start.elapsed() < PATIENCE, "no outcome: {}", server.log());
        std::thread::yield_now();
    }
}

/// Puts other settings in the place of the file, and reads them.
fn change(server: &Server, settings: &str) -> String {
    write(server, "calmd.toml", settings);
    reload(server)
}

fn took(line: &str) {
    assert!(line.contains("read again, and are in force"), "{line}");
}

/// The answer to a request for a host.
fn ask(server: &Server, host: &str, path: &str, fields: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n");
    String::from_utf8_lossy(&server.converse(request.as_bytes())).into_owned()
}

fn status(server: &Server, host: &str, path: &str, fields: &str) -> u16 {
    let answer = ask(server, host, path, fields);
    answer[9..12].parse().unwrap_or_else(|_| panic!("{answer}"))
}

const ONE: &str = "[[host]]\nnames = [\"a.test\"]\nroot = \"sites/a-1\"\n";

#[test]
fn hosts_rules_and_roots_follow_the_file_without_a_restart() {
    let server = Server::configured(ONE, sites);
    assert!(ask(&server, "b.test", "/", "").ends_with("sites/a-1"));
    assert_eq!(status(&server, "a.test", "/list/", ""), 404);
    // A rule, a listing, another host.
    let two = format!(
        "{ONE}listing = true\nredirect = [{{ from = \"/old/*\", to = \"/new/:splat\" }}]\n\
         [[host]]\nnames = [\"b.test\", \"*.b.test\"]\nroot = \"sites/a-1/list\"\nindex = \"x.txt\"\n"
    );
    took(&change(&server, &two));
    assert_eq!(status(&server, "a.test", "/list/", ""), 200);
    assert_eq!(status(&server, "a.test", "/old/x", ""), 301);
    assert!(ask(&server, "b.test", "/", "").contains("200 OK"));
    assert_eq!(status(&server, "x.b.test", "/list/", ""), 404);
    // The settings are hidden as at the start, also where a root holds them now.
    took(&change(
        &server,
        "[[host]]\nnames = [\"c.test\"]\nroot = \"sites/a-1/list\"\n",
    ));
    assert_eq!(status(&server, "c.test", "/x.txt", ""), 200);
    assert_eq!(status(&server, "a.test", "/old/x", ""), 404);
}

#[test]
fn a_mistake_leaves_everything_as_it_was_and_is_told_by_file_line_and_column() {
    let start = format!("{ONE}redirect = [{{ from = \"/old\", to = \"/new\" }}]\n");
    let server = Server::configured(&start, |directory| {
        sites(directory);
        fs::create_dir_all(directory.join("outside/site")).unwrap();
    });
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = format!("metrics = [\"{}\"]\n{start}", port.local_addr().unwrap());
    for (settings, said) in [
        ("[[host]\n", "calmd.toml:1:"),
        (
            "[[host]]\nnames = [\"b.test\"]\nroot = \"sites/b\"\nlistin = true\n",
            "calmd.toml:4:1: a host has no 'listin'; did you mean 'listing'?",
        ),
        (
            "[[host]]\nnames = [\"b.test\"]\nroot = \"nowhere\"\n",
            "the host b.test: there is no directory 'nowhere'",
        ),
        (
            "[[host]]\nnames = [\"b.test\"]\nroot = \"outside/site\"\n",
            "the host b.test: the sandbox was not told of the directory",
        ),
        (
            &metrics,
            "calmd.toml:1:12: 'metrics' is not what it was at the start; restart needed",
        ),
        (
            &format!("{start}basic-auth = [{{ path = \"/\", users = \"htpasswd\" }}]\n"),
            "cannot read the users 'htpasswd'",
        ),
        (
            &format!("{start}cert = \"none.pem\"\nkey = \"none.pem\"\n"),
            "none.pem",
        ),
        (
            &format!("{start}proxy = [\"/api=http://127.0.0.1:9\"]\n"),
            "the upstream http://127.0.0.1:9 of '/api/' is none of those at the start: restart needed",
        ),
    ] {
        let line = change(&server, settings);
        assert!(line.contains("the old settings stay: "), "{line}");
        assert!(line.contains(said), "{line}");
        assert_eq!(status(&server, "a.test", "/old", ""), 301, "{settings}");
        assert!(ask(&server, "b.test", "/", "").ends_with("sites/a-1"));
    }
    took(&change(&server, ONE));
    assert_eq!(status(&server, "a.test", "/old", ""), 404);
}

#[test]
fn roots_beneath_a_directory_that_the_sandbox_reads_need_no_restart() {
    let settings = format!("sandbox-read = [\"outside\"]\n{ONE}");
    let server = Server::configured(&settings, |directory| {
        sites(directory);
        fs::create_dir_all(directory.join("outside")).unwrap();
    });
    let root = server.directory.path().join("outside/site");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("index.html"), "outside").unwrap();
    fs::write(root.join("_redirects"), "/from /to 302\n").unwrap();
    let next = format!("{settings}[[host]]\nnames = [\"b.test\"]\nroot = \"outside/site\"\n");
    took(&change(&server, &next));
    assert!(ask(&server, "b.test", "/", "").ends_with("outside"));
    assert_eq!(status(&server, "b.test", "/from", ""), 302);
}

#[test]
fn a_password_that_changes_is_the_one_that_counts_from_then_on() {
    let settings =
        format!("{ONE}basic-auth = [{{ path = \"/list/**\", users = \"etc/htpasswd\" }}]\n");
    let server = Server::configured(&settings, |directory| {
        sites(directory);
        fs::create_dir(directory.join("etc")).unwrap();
        fs::write(directory.join("etc/htpasswd"), SECRET).unwrap();
    });
    let with = |token: &str| {
        let field = format!("Authorization: Basic {token}\r\n");
        status(&server, "a.test", "/list/x.txt", &field)
    };
    // ann:secret is remembered, and forgotten with the file that had it.
    let (secret, other) = ("YW5uOnNlY3JldA==", "YW5uOm90aGVy");
    assert_eq!((with(secret), with(secret), with(other)), (200, 200, 401));
    write(&server, "etc/htpasswd", OTHER);
    took(&reload(&server));
    assert_eq!((with(secret), with(other)), (401, 200));
    write(&server, "etc/htpasswd", "ann\n");
    let line = reload(&server);
    assert!(line.contains("htpasswd:1: write name:hash"), "{line}");
    assert_eq!((with(secret), with(other)), (401, 200));
}

#[test]
fn logins_that_are_new_take_a_restart_because_nothing_verifies_passwords() {
    let server = Server::configured(ONE, |directory| {
        sites(directory);
        fs::write(directory.join("htpasswd"), SECRET).unwrap();
    });
    let next = format!("{ONE}basic-auth = [{{ path = \"/list/**\", users = \"htpasswd\" }}]\n");
    let line = change(&server, &next);
    assert!(line.contains("basic-auth is new"), "{line}");
    assert!(line.ends_with("restart needed"), "{line}");
    assert_eq!(status(&server, "a.test", "/list/x.txt", ""), 200);
}

#[test]
fn limits_that_stay_go_on_with_their_counts() {
    let limit = |burst: u32| {
        format!("rate = [{{ path = \"/**\", per-address = \"1/h\", burst = {burst} }}]\n")
    };
    let a = |burst: u32, more: &str| format!("{ONE}{}{more}", limit(burst));
    let server = Server::configured(&a(2, ""), sites);
    let ask = || status(&server, "a.test", "/", "");
    assert_eq!((ask(), ask(), ask()), (200, 200, 429));
    // Other rules, another host, and other names in front of the one that stays.
    let b = "[[host]]\nnames = [\"b.test\"]\nroot = \"sites/b\"\n";
    took(&change(&server, &a(2, &format!("listing = true\n{b}"))));
    assert_eq!(ask(), 429);
    took(&change(&server, &format!("{b}{}", a(2, ""))));
    assert_eq!(ask(), 429);
    // Another limit begins anew.
    took(&change(&server, &a(3, "")));
    assert_eq!((ask(), ask(), ask(), ask()), (200, 200, 200, 429));
}

#[test]
fn files_that_are_known_stay_known_and_changed_ones_are_seen() {
    let metered = format!("metrics = [\"unix:metrics.sock\"]\n{ONE}");
    let server = Server::configured(&metered, sites);
    let root = server.directory.path().join("sites/a-1");
    let missed = || metrics(&server)["calmd_cache_requests_total{result=\"miss\"}"];
    // A file is read again when the second of its last change is over.
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(status(&server, "a.test", "/", ""), 200);
    assert_eq!(status(&server, "a.test", "/only-a.txt", ""), 200);
    // More than a new cache would count for the one file that is asked for below.
    let known = missed();
    assert_eq!(known, 2.0);
    let b = "[[host]]\nnames = [\"b.test\"]\nroot = \"sites/b\"\n";
    for settings in [&metered, &format!("{metered}{b}"), &metered] {
        took(&change(&server, settings));
        assert_eq!(status(&server, "a.test", "/only-a.txt", ""), 200);
        assert_eq!(missed(), known);
    }
    fs::write(root.join("only-a.txt"), "changed").unwrap();
    let start = Instant::now();
    while !ask(&server, "a.test", "/only-a.txt", "").ends_with("changed") {
        assert!(start.elapsed() < PATIENCE, "the change is never seen");
    }
    // Other fields are other answers.
    took(&change(
        &server,
        &format!("{metered}header = [\"X-New: 1\"]\n"),
    ));
    assert!(ask(&server, "a.test", "/only-a.txt", "").contains("\r\nx-new: 1\r\n"));
}

#[test]
fn a_known_file_that_becomes_the_servers_own_is_served_no_longer() {
    let server = Server::configured(ONE, sites);
    certify(&server.directory.path().join("sites/a-1"), "c", &["a.test"]);
    assert_eq!(status(&server, "a.test", "/c.key", ""), 200);
    took(&change(
        &server,
        &format!("{ONE}cert = \"sites/a-1/c.pem\"\nkey = \"sites/a-1/c.key\"\n"),
    ));
    assert_eq!(status(&server, "a.test", "/c.key", ""), 404);
    assert_eq!(status(&server, "a.test", "/only-a.txt", ""), 200);
}

#[test]
fn rules_that_are_put_into_a_root_later_are_followed_without_a_signal() {
    let server = Server::configured(ONE, sites);
    let root = server.directory.path().join("sites/a-1");
    assert_eq!(status(&server, "a.test", "/from", ""), 404);
    let wait_for = |wanted: u16| {
        let start = Instant::now();
        while status(&server, "a.test", "/from", "") != wanted {
            assert!(
                start.elapsed() < PATIENCE,
                "never {wanted}: {}",
                server.log()
            );
            std::thread::yield_now();
        }
    };
    for (text, wanted) in [("/from /to 302\n", 302), ("/from /to 307\n", 307)] {
        fs::write(root.join("_redirects"), text).unwrap();
        wait_for(wanted);
    }
    fs::remove_file(root.join("_redirects")).unwrap();
    wait_for(404);
    fs::write(root.join("_redirects.new"), "/from /to 308\n").unwrap();
    fs::rename(root.join("_redirects.new"), root.join("_redirects")).unwrap();
    wait_for(308);
}

fn over_tls(server: &Server, certificate: &Path, name: &'static str) -> std::io::Result<String> {
    let client = trusting(certificate, &["http/1.1"]);
    let mut stream = connect_to(server, client, name);
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn certificates_that_change_and_those_of_new_hosts_are_shown() {
    let host = |name: &str| {
        format!(
            "[[host]]\nnames = [\"{name}.test\"]\nroot = \"sites/a-1\"\ncert = \"tls/{name}.pem\"\nkey = \"tls/{name}.key\"\n"
        )
    };
    let server = Server::configured(&host("a"), |directory| {
        sites(directory);
        certify(&directory.join("tls"), "a", &["a.test"]);
    });
    let tls = server.directory.path().join("tls");
    fs::copy(tls.join("a.pem"), tls.join("old.pem")).unwrap();
    assert!(over_tls(&server, &tls.join("a.pem"), "a.test").is_ok());
    // Another certificate in the old one's place, and a host with one of its own.
    certify(&tls, "a", &["a.test"]);
    certify(&tls, "b", &["b.test"]);
    took(&change(&server, &(host("a") + &host("b"))));
    for name in ["a", "b"] {
        let certificate = tls.join(format!("{name}.pem"));
        let host = if name == "a" { "a.test" } else { "b.test" };
        let answer = over_tls(&server, &certificate, host).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert!(over_tls(&server, &tls.join("old.pem"), "a.test").is_err());
    // A key that does not match leaves the old ones.
    fs::copy(tls.join("a.key"), tls.join("b.key")).unwrap();
    let line = reload(&server);
    assert!(line.contains("b.key"), "{line}");
    assert!(over_tls(&server, &tls.join("b.pem"), "b.test").is_ok());
}

#[test]
fn requests_that_are_open_finish_and_none_is_lost_while_settings_change() {
    let settings = |n: u32| {
        let extra = match n % 3 {
            0 => "",
            1 => "header = [\"X-N: 1\"]\n[[host]]\nnames = [\"b.test\"]\nroot = \"sites/b\"\n",
            _ => "[[host]\n",
        };
        format!("demo = true\n{ONE}{extra}")
    };
    let server = Server::configured(&settings(0), sites);
    let root = server.directory.path().join("sites/a-1");
    fs::write(root.join("large"), vec![b'x'; 8 << 20]).unwrap();
    // A response of which most is to come, and a request whose content is to come.
    let mut large = server.connect();
    large
        .write_all(b"GET /large HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut begun = vec![0; 1000];
    large.read_exact(&mut begun).unwrap();
    let mut echo = server.connect();
    let head = "POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n12345";
    exchange(&mut echo, head.as_bytes(), b"12345");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut kept = server.connect();
            let mut asked = 0;
            while !is_over.load(Ordering::Relaxed) {
                // A connection has at most 1,000 requests.
                if asked % 500 == 499 {
                    kept = server.connect();
                }
                let request = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
                let answer = exchange(&mut kept, request, b"sites/a-1");
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                assert_eq!(status(&server, "a.test", "/only-a.txt", ""), 200);
                asked += 1;
            }
            asked
        });
        for n in 0..30 {
            let line = change(&server, &settings(n));
            assert_eq!(line.contains("in force"), n % 3 != 2, "{line}");
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(asking.join().expect("every request is answered") > 0);
    });
    let echoed = exchange(&mut echo, b"67890", b"67890");
    assert_eq!(echoed, "67890");
    let mut rest = Vec::new();
    large.read_to_end(&mut rest).unwrap();
    assert!(begun.len() + rest.len() > 8 << 20, "{} bytes", rest.len());
    assert!(rest.ends_with(b"xxx"));
}
