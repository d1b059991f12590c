//! Limits of an attacker who controls a helper process.

use super::{config, is_refused};
use calmd::sandbox::{self, HelperRights};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn help_with_descriptors() {
    help(HelperRights::Descriptors);
}

pub fn help_with_files() {
    help(HelperRights::Files(&readable()));
}

/// Enters the helper's sandbox. Returns false if the kernel lacks a part of it.
fn enter_as_helper(rights: HelperRights<'_>) -> bool {
    let report = sandbox::enter_helper(rights).expect("the sandbox can be entered");
    if !report.missing.is_empty() {
        eprintln!("not proved on this machine: {:?}", report.missing);
    }
    report.missing.is_empty()
}

/// The directories that a helper of this server reads.
fn readable() -> Vec<PathBuf> {
    let directories = sandbox::site_directories(&config().rights());
    let www = Path::new("www").canonicalize().unwrap();
    assert_eq!(
        directories,
        [www],
        "the next site may be put beside this one"
    );
    directories
}

fn help(rights: HelperRights<'_>) {
    let passed = File::open("www/site/page").unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let (one, other) = UnixStream::pair().unwrap();
    let parent = rustix::process::getppid().expect("somebody started this");
    let here = File::open(".").unwrap();
    if !enter_as_helper(rights) {
        return;
    }
    let open = |path, flags| {
        let flags = flags | OFlags::CLOEXEC;
        let opened = rustix::fs::openat2(&here, path, flags, Mode::empty(), ResolveFlags::empty());
        opened.map_err(io::Error::from)
    };
    let may_open = rights != HelperRights::Descriptors;
    for path in ["www/site/page", "www/site"] {
        assert_eq!(open(path, OFlags::RDONLY).is_ok(), may_open, "{path}");
    }
    for path in [
        "tls/key.pem",
        "tls",
        "secret",
        "www/site/link",
        "log",
        "/etc/passwd",
    ] {
        is_refused(path, open(path, OFlags::RDONLY));
    }
    is_refused("open to write", open("www/site/page", OFlags::WRONLY));
    is_refused(
        "make a file",
        open("www/site/new", OFlags::WRONLY | OFlags::CREATE),
    );
    let mut page = [0; 4];
    let read = rustix::io::preadv(&passed, &mut [io::IoSliceMut::new(&mut page)], 0);
    assert_eq!((read, &page), (Ok(4), b"page"));
    for path in ["www/site/page", "/etc/passwd", "/proc/self/environ"] {
        is_refused(path, fs::read(path));
    }
    is_refused("list", fs::read_dir("www/site"));
    is_refused("write", File::create("www/site/new"));
    is_refused("accept", listener.accept());
    is_refused("connect", TcpStream::connect(address));
    is_refused("listen", TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    is_refused("open UDP", UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
    is_refused("make a pair of sockets", UnixStream::pair());
    is_refused("read another socket", client.read(&mut page));
    is_refused("pass a descriptor on", {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        let flags = rustix::net::SendFlags::empty();
        rustix::net::sendmsg(&one, &[], &mut control, flags).map_err(io::Error::from)
    });
    is_refused("start a thread", std::thread::Builder::new().spawn(|| {}));
    is_refused("send a signal", {
        let signal = rustix::process::Signal::INT;
        rustix::process::kill_process(parent, signal).map_err(io::Error::from)
    });
    drop(other);
}

pub fn help_and_exec() {
    if enter_as_helper(HelperRights::Files(&readable())) {
        let error = Command::new("/bin/true").exec();
        panic!("refused only: {error}");
    }
}
