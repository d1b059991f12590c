//! The command line, as far as it needs a process of its own: the environment, and obstacles at the
//! start.

use crate::support::PATIENCE;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// calmd in a directory of its own, with free ports.
fn calmd(directory: &Path, args: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calmd"));
    command
        .current_dir(directory)
        .arg(".")
        .args(args)
        .env_remove("CARGO_MANIFEST_DIR")
        .env("STATE_DIRECTORY", directory.join("certs"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The exit code, and the one line with the reason why the server did not start.
fn refusal(args: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let output = calmd(directory.path(), args, environment).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let line = text.lines().last().unwrap_or_default().to_owned();
    (output.status.code().unwrap_or(-1), line)
}

/// The lines up to the first line with an address that the server listens on.
fn starting(args: &[&str], environment: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut args = args.to_vec();
    // With the access log on standard output, the lines of both outputs have one order.
    args.extend(["--access-log", "-"]);
    let mut child = calmd(directory.path(), &args, environment).spawn().unwrap();
    let start = Instant::now();
    let mut text = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        text.push_str(&line);
        text.push('\n');
        assert!(start.elapsed() < PATIENCE, "{text}");
        if line.contains("http://") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    text
}

const FREE: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn a_wrong_variable_is_told_by_its_name() {
    for (name, value, said) in [
        (
            "CALMD_LISTEN",
            "*:80",
            "invalid value '*:80' in the environment's CALMD_LISTEN: for all",
        ),
        (
            "CALMD_LISTING",
            "maybe",
            "in the environment's CALMD_LISTING: write true or false",
        ),
        (
            "CALMD_HEADER",
            "a: b\netag: x",
            "'etag: x' in the environment's CALMD_HEADER: calmd sets",
        ),
    ] {
        let (code, line) = refusal(&[], &[(name, value)]);
        assert_eq!(code, 2, "{line}");
        assert!(line.contains(said), "{line}");
    }
    // The message about the option also names the variable that it replaced.
    let (code, line) = refusal(&["--listen", "*:80"], &[("CALMD_LISTEN", ":80")]);
    assert_eq!(code, 2);
    assert!(line.contains("for '--listen <ADDR>'"), "{line}");
}

#[test]
fn an_empty_variable_is_not_set() {
    let empty = [
        "CALMD_LISTING",
        "CALMD_CACHE_MEMORY",
        "CALMD_HEADER",
        "CALMD_LISTEN_TLS",
    ];
    let text = starting(&FREE, &empty.map(|name| (name, "")));
    assert!(text.contains("http://127.0.0.1:"), "{text}");
}

#[test]
fn what_does_nothing_is_warned_of() {
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--cache",
        "assets/=1y",
        "--cache",
        "**=none",
    ];
    let text = starting(&args, &[("CALMD_LISEN", ":80")]);
    for part in [
        "CALMD_LISEN in the environment means nothing; did you mean CALMD_LISTEN?",
        "--cache 'assets/' matches nothing",
        "no cache knows 'none'",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn what_is_no_log_is_told_with_the_mend() {
    let log = |value: &'static str| [FREE[0], FREE[1], "--access-log", value];
    let (code, line) = refusal(&log("."), &[]);
    assert_eq!(code, 1);
    assert!(
        line.contains("Is a directory") && line.ends_with("name a file in it"),
        "{line}"
    );
    // Standard output is a socket in a service of systemd.
    let directory = tempfile::tempdir().unwrap();
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let output = calmd(directory.path(), &log("/dev/stdout"), &[])
        .stdout(OwnedFd::from(theirs))
        .output()
        .unwrap();
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(
        line.ends_with("write --access-log - for standard output\n"),
        "{line}"
    );
}

#[test]
fn servers_of_one_path_speak_one_protocol_and_files_of_trust_are_there() {
    let rules = ["/=h2c://127.0.0.1:1", "/=http://127.0.0.1:2"];
    let args = [FREE[0], FREE[1], "--proxy", rules[0], "--proxy", rules[1]];
    let (code, line) = refusal(&args, &[]);
    assert_ne!(code, 0);
    assert!(
        line.contains("speak two protocols; write one scheme"),
        "{line}"
    );
}

#[test]
fn a_plain_file_is_no_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "mine").unwrap();
    let address = format!("unix:{}", path.display());
    let (code, line) = refusal(&["--listen", &address], &[]);
    assert_eq!(code, 1);
    let said = format!(
        "calmd: cannot listen on {address}: that file is not a socket; name another, or take it away"
    );
    assert_eq!(line, said);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_site_without_a_start_page_is_warned_of_at_the_start() {
    let said = starting(&FREE, &[]);
    assert!(
        said.contains("has no index.html, so that / answers 404"),
        "{said}"
    );
    let said = starting(&[FREE[0], FREE[1], "--spa"], &[]);
    assert!(
        said.contains("--spa answers with index.html, which '.' does not have"),
        "{said}"
    );
    let said = starting(&[FREE[0], FREE[1], "--listing"], &[]);
    assert!(!said.contains("index.html"), "{said}");
}

#[test]
fn a_directory_of_the_sandbox_that_is_not_there_is_refused() {
    let (code, line) = refusal(&[FREE[0], FREE[1], "--sandbox-read", "/nowhere"], &[]);
    assert_eq!(code, 1);
    assert!(line.contains("'/nowhere' (--sandbox-read)"), "{line}");
}

#[test]
fn a_check_opens_what_a_start_would_and_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    std::fs::write(place.join("index.html"), "hi").unwrap();
    let check = |settings: &str| {
        std::fs::write(place.join("calmd.toml"), settings).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_calmd"));
        command
            .current_dir(place)
            .args(["check", "--config", "calmd.toml"])
            .env_remove("CARGO_MANIFEST_DIR")
            .env("STATE_DIRECTORY", place.join("certs"));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    };
    let whole = "dir = \".\"\nlisten-tls = [\"127.0.0.1:8443\"]\naccess-log = \"access.log\"\n\
                 admin = [\"127.0.0.1:9000\"]\n";
    let (code, told, warned) = check(whole);
    assert_eq!(code, 0, "{warned}");
    assert!(
        told.contains("would serve .") && told.ends_with("The settings are right.\n"),
        "{told}"
    );
    assert!(told.contains("https://127.0.0.1:8443"), "{told}");
    assert!(told.contains("http://127.0.0.1:9000 (the panel)"), "{told}");
    assert!(
        warned.contains("the settings file"),
        "it lies in the served directory: {warned}"
    );
    assert!(!place.join("access.log").exists() && !place.join("certs").exists());
    for (settings, code, said) in [
        ("dir = \"nowhere\"\n", 1, "nowhere"),
        (
            "dir = \".\"\naccess-log = \"nowhere/log\"\n",
            1,
            "nowhere/log",
        ),
        (
            "dir = \".\"\nlisten-tls = [\":1\"]\ncert = \"none.pem\"\nkey = \"none.key\"\n",
            1,
            "none.pem",
        ),
        (
            "dir = \".\"\nticket-key = \"index.html\"\n",
            1,
            "'index.html' (--ticket-key) has 2 bytes instead of 80 or 48",
        ),
        (
            "dir = \".\"\nlisten = [\":1\"]\nticket-key = \"index.html\"\n",
            2,
            "needs a TLS address",
        ),
        (
            "dir = \".\"\nadmin = [\"127.0.0.1:9000\"]\nadmin-users = \"none\"\n",
            1,
            "cannot read the users of the panel 'none' (--admin-users)",
        ),
        (
            "dir = \".\"\nadmin = [\"127.0.0.1:9000\"]\nadmin-users = \"index.html\"\n",
            1,
            "index.html:1: write name:hash",
        ),
        ("dir = \".\"\nadmin = [\"0.0.0.0:9000\"]\n", 2, "admin"),
        (
            "dirr = \".\"\n",
            2,
            "calmd.toml:1:1: there is no setting 'dirr'",
        ),
    ] {
        let (found, told, error) = check(settings);
        assert_eq!((found, told.as_str()), (code, ""), "{error}");
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_server_is_started_by_its_settings_file_alone_and_does_not_serve_it() {
    let directory = tempfile::tempdir().unwrap();
    let settings = directory.path().join("calmd.toml");
    let text = "dir = \".\"\nlisten = [\"127.0.0.1:0\"]\nheader = [\"x-from: file\"]\n";
    std::fs::write(&settings, text).unwrap();
    std::fs::write(directory.path().join("index.html"), "hi").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_calmd"));
    command
        .arg("--config")
        .arg(&settings)
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        let line = line.unwrap();
        line.trim().strip_prefix("http://").map(str::to_owned)
    });
    let ask = |target: &str| {
        let mut stream = std::net::TcpStream::connect(address.as_deref().unwrap()).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    let page = ask("/");
    assert!(
        page.contains("x-from: file") && page.ends_with("hi"),
        "{page}"
    );
    let refused = ask("/calmd.toml");
    assert!(refused.starts_with("HTTP/1.1 404 "), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();
}
