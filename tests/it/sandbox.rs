//! Limits of an attacker who controls the process. Each test starts the test program once more, as
//! [`the_captive`], because a process cannot leave the sandbox again.

use calmd::config::Config;
use calmd::sandbox;
use calmd::telemetry::{AccessLogConfig, LogFormat};
use calmd::tls::Certificate;
use calmd::world::User;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output};

mod helper;

/// Environment variable that names the captive's action.
const ACT: &str = "CALMD_TEST_CAPTIVE";

/// The signal for a forbidden system call, on every processor that has a filter.
const SIGSYS: i32 = 31;

/// Runs the captive in a directory with a site, a certificate and a log.
fn captive(act: &str) -> Output {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    for name in ["www/site", "tls", "log"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    fs::write(at("www/site/page"), "page").unwrap();
    fs::write(at("tls/cert.pem"), "certificate").unwrap();
    fs::write(at("tls/key.pem"), "key").unwrap();
    fs::set_permissions(at("tls/key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(at("log/access.log"), "line\n").unwrap();
    fs::write(at("secret"), "secret").unwrap();
    symlink("../../secret", at("www/site/link")).unwrap();
    Command::new(env::current_exe().expect("this program"))
        .args([
            "--exact",
            "sandbox::the_captive",
            "--ignored",
            "--nocapture",
        ])
        .env(ACT, act)
        .current_dir(directory.path())
        .output()
        .expect("this program starts")
}

fn assert_success(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", output.status);
    // Parts that this machine cannot test are shown with --nocapture.
    eprint!("{text}");
}

#[test]
fn the_site_connections_and_the_log_stay_usable() {
    assert_success(&captive("serve"));
}

#[test]
fn no_other_file_can_be_read_written_moved_or_removed() {
    assert_success(&captive("files"));
}

#[test]
fn no_socket_thread_process_or_signal_can_be_made() {
    assert_success(&captive("calls"));
}

#[test]
fn starting_another_program_ends_the_process() {
    let output = captive("exec");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.signal() == Some(SIGSYS) || text.contains("not proved"),
        "{text}"
    );
}

#[test]
fn a_helper_reads_what_it_was_passed_and_nothing_else() {
    assert_success(&captive("help"));
    assert_success(&captive("help with files"));
}

#[test]
fn a_helper_that_starts_another_program_ends() {
    let output = captive("help and exec");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.signal() == Some(SIGSYS) || text.contains("not proved"),
        "{text}"
    );
}

#[test]
fn a_broken_invariant_still_aborts() {
    let output = captive("abort");
    assert_eq!(
        output.status.signal(),
        Some(rustix::process::Signal::ABORT.as_raw())
    );
}

#[test]
fn who_is_that_user_already_loses_groups_and_capabilities_all_the_same() {
    assert_success(&captive("same user"));
}

#[test]
fn groups_that_cannot_be_left_are_told() {
    assert_success(&captive("same user without rights"));
}

#[test]
fn another_user_is_become_for_good() {
    assert_success(&captive("user"));
}

#[test]
fn without_the_sandbox_nothing_is_given_up() {
    assert_success(&captive("off"));
}

#[test]
#[ignore = "a part of the other tests, which start it"]
fn the_captive() {
    match env::var(ACT).as_deref() {
        Ok("serve") => serve(),
        Ok("files") => files(),
        Ok("calls") => calls(),
        Ok("exec") => exec(),
        Ok("abort") => abort(),
        Ok("help") => helper::help_with_descriptors(),
        Ok("help with files") => helper::help_with_files(),
        Ok("help and exec") => helper::help_and_exec(),
        Ok("user") => user(),
        Ok("same user") => same_user(),
        Ok("same user without rights") => same_user_without_rights(),
        Ok("off") => off(),
        _ => return,
    }
    // The normal end of the test runner may need more than the sandbox allows.
    std::process::exit(0);
}

fn config() -> Config {
    let mut config = Config::default();
    config.host.site.root = "www/site".into();
    config.host.certificates = vec![Certificate::Files {
        chain: "tls/cert.pem".into(),
        key: "tls/key.pem".into(),
    }];
    let file = Some("log/access.log".into());
    config.access_log = Some(AccessLogConfig {
        file,
        format: LogFormat::Combined,
    });
    config
}

/// Enters the sandbox and returns its message about a part of it; none if the kernel lacks that part,
/// so that it cannot be tested.
fn enter(part: &str) -> Option<String> {
    let report = sandbox::enter(&config().rights()).expect("the sandbox can be entered");
    let told = report
        .in_force
        .into_iter()
        .find(|text| text.starts_with(part));
    if told.is_none() {
        eprintln!("not proved on this machine: {:?}", report.missing);
    }
    told
}

fn is_refused<T>(what: &str, result: io::Result<T>) {
    let error = result
        .err()
        .unwrap_or_else(|| panic!("{what}: it can be done"));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
}

fn serve() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut log = OpenOptions::new()
        .append(true)
        .open("log/access.log")
        .unwrap();
    enter("");
    let (mut accepted, _) = listener.accept().expect("a connection is accepted");
    client.write_all(b"request").unwrap();
    let mut request = [0; 7];
    accepted
        .read_exact(&mut request)
        .expect("a request is read");
    accepted.write_all(b"answer").expect("an answer is written");
    assert_eq!(
        fs::read_to_string("www/site/page").expect("the site is read"),
        "page"
    );
    assert_eq!(
        fs::read_dir("www/site")
            .expect("the site is listed")
            .count(),
        2
    );
    assert_eq!(
        fs::read_to_string("tls/key.pem").expect("the key is read again"),
        "key"
    );
    log.write_all(b"line\n").expect("the log is written");
    let again = OpenOptions::new()
        .append(true)
        .create(true)
        .open("log/next.log");
    again
        .and_then(|mut log| log.write_all(b"line\n"))
        .expect("the log is opened again");
}

fn files() {
    let Some(landlock) = enter("Landlock") else {
        return;
    };
    let append = |path: &str| OpenOptions::new().append(true).create(true).open(path);
    for path in [
        "/etc/passwd",
        "/proc/self/environ",
        "secret",
        "www/site/link",
        "log/access.log",
    ] {
        is_refused(path, fs::read(path));
    }
    for path in ["/", "/etc", ".", "tls", "log"] {
        is_refused(path, fs::read_dir(path));
    }
    for path in [
        "/tmp/calmd-escape",
        "secret",
        "www/site/page",
        "www/site/new",
        "tls/key.pem",
    ] {
        is_refused(path, append(path));
    }
    // Version 3, of Linux 6.2, has a right of its own for truncating.
    if !landlock.starts_with("Landlock 1 ") && !landlock.starts_with("Landlock 2 ") {
        is_refused("cut the log", File::create("log/access.log"));
    }
    is_refused("remove a page", fs::remove_file("www/site/page"));
    is_refused("remove the log", fs::remove_file("log/access.log"));
    is_refused("move a page", fs::rename("www/site/page", "www/site/moved"));
    // Moving to another directory is refused with EXDEV.
    assert!(fs::rename("www/site/page", "log/page").is_err());
    assert!(fs::hard_link("secret", "www/site/hard").is_err());
    is_refused("make a directory", fs::create_dir("log/new"));
    is_refused("make a symlink", symlink("/", "log/root"));
    assert!(!Path::new("/tmp/calmd-escape").exists());
}

fn calls() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let parent = rustix::process::getppid().expect("somebody started this");
    let made_before = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    if enter("seccomp").is_none() {
        return;
    }
    is_refused("connect", TcpStream::connect(address));
    is_refused("connect a socket made before", {
        rustix::net::connect(&made_before, &address).map_err(io::Error::from)
    });
    is_refused("listen on TCP", TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    is_refused("open UDP", UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
    is_refused("listen on a Unix socket", UnixListener::bind("log/socket"));
    is_refused("make a pair of sockets", UnixStream::pair());
    is_refused("start a thread", std::thread::Builder::new().spawn(|| {}));
    is_refused("start a program", Command::new("/bin/true").spawn());
    let signal = rustix::process::Signal::INT;
    is_refused("send a signal", {
        rustix::process::kill_process(parent, signal).map_err(io::Error::from)
    });
    is_refused("change permissions", {
        fs::set_permissions("log/access.log", fs::Permissions::from_mode(0o666))
    });
    assert!(
        fs::read("www/site/page").is_ok(),
        "what was refused did no harm"
    );
}

fn exec() {
    if enter("seccomp").is_some() {
        let error = Command::new("/bin/true").exec();
        panic!("refused only: {error}");
    }
}

fn abort() {
    enter("");
    std::process::abort();
}

fn user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not proved on this machine: it takes root to become somebody else");
        return;
    }
    let mut config = config();
    config.sandbox = false;
    config.user = Some(User::find("65534:65533").expect("numbers name any user"));
    let report = sandbox::enter(&config.rights()).expect("the user can be changed");
    assert_eq!(
        report.in_force,
        ["user 65534:65533 (uid 65534), no capabilities"]
    );
    // The captive's directory is its parent's own.
    assert!(
        report.missing.iter().any(|text| text.contains("SIGHUP")),
        "{:?}",
        report.missing
    );
    assert_eq!(rustix::process::getuid().as_raw(), 65534);
    assert_eq!(rustix::process::getegid().as_raw(), 65533);
    assert_eq!(
        rustix::process::getgroups().unwrap(),
        [rustix::process::Gid::from_raw(65533)]
    );
    assert_no_capabilities();
    is_refused("read a secret of root's", fs::read("/etc/shadow"));
    is_refused("become root again", {
        rustix::thread::set_thread_uid(rustix::thread::Uid::ROOT).map_err(io::Error::from)
    });
}

/// Asserts that no set has a capability, and that no program can get one.
fn assert_no_capabilities() {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let sets = status.lines().filter(|line| line.starts_with("Cap"));
    let empty = sets.filter(|line| line.ends_with("\t0000000000000000"));
    assert_eq!(empty.count(), 5, "{status}");
}

/// Sets the ids that the process has already, and keeps the groups and capabilities of root.
fn same_user() {
    use rustix::thread::*;
    if !rustix::process::geteuid().is_root() {
        eprintln!("not proved on this machine: it takes root to begin with more");
        return;
    }
    let id = 65534;
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    set_thread_groups(&[Gid::ROOT, gid]).unwrap();
    set_thread_res_gid(gid, gid, gid).unwrap();
    set_keep_capabilities(true).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
    let permitted = capabilities(None).unwrap().permitted;
    let kept = CapabilitySets {
        effective: permitted,
        permitted,
        inheritable: permitted,
    };
    set_capabilities(None, kept).unwrap();
    configure_capability_in_ambient_set(CapabilitySet::NET_BIND_SERVICE, true).unwrap();
    let mut config = config();
    config.sandbox = false;
    config.user = Some(User::find("65534:65534").unwrap());
    sandbox::enter(&config.rights()).unwrap();
    assert_no_capabilities();
    assert_eq!(rustix::process::getgroups().unwrap(), [gid]);
}

/// Sets the ids that the process has already, without the right to leave a group.
fn same_user_without_rights() {
    use rustix::thread::*;
    if !rustix::process::geteuid().is_root() {
        eprintln!("not proved on this machine: it takes root to begin with more");
        return;
    }
    let id = 65534;
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    set_thread_groups(&[Gid::ROOT, gid]).unwrap();
    set_thread_res_gid(gid, gid, gid).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
    let mut config = config();
    config.sandbox = false;
    config.user = Some(User::find("65534:65534").unwrap());
    let report = sandbox::enter(&config.rights()).unwrap();
    let told = |text: &String| text.starts_with("still in the groups 0 (--user)");
    assert!(report.missing.iter().any(told), "{:?}", report.missing);
}

fn off() {
    let mut config = config();
    config.sandbox = false;
    let report = sandbox::enter(&config.rights()).expect("nothing can fail");
    assert_eq!(report.missing, ["off (--sandbox off)"]);
    fs::read("secret").expect("every file is in reach");
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("every address is in reach");
    assert!(
        Command::new("true")
            .status()
            .is_ok_and(|status| status.success())
    );
}
