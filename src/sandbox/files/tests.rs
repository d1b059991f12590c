//! Directories that rights grant. `tests/it/sandbox` proves their effect.

use super::*;
use crate::sandbox::DialRights;
use std::os::unix::fs::symlink;

/// A directory of `www/site`, `live`, `archive`, `log`, and the rights of a server that serves cleartext only.
fn setting() -> (tempfile::TempDir, PathBuf, Rights) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    for name in ["www/site", "live", "archive", "log"] {
        std::fs::create_dir_all(path.join(name)).unwrap();
    }
    let rights = Rights {
        user: None,
        sandbox: true,
        sites: vec![site(path.join("www/site"))],
        read: Vec::new(),
        certificates: Vec::new(),
        ticket_keys: Vec::new(),
        settings: Vec::new(),
        logs: Vec::new(),
        uploads: Vec::new(),
        scratch: Vec::new(),
        sockets: Vec::new(),
        helpers: Vec::new(),
        dials: DialRights::default(),
        succession: false,
    };
    (directory, path, rights)
}

fn site(root: PathBuf) -> SiteRights {
    SiteRights {
        root,
        listing: false,
    }
}

fn granted(rights: &Rights) -> Vec<(PathBuf, Access)> {
    let homes = [PathBuf::from("/home/u")];
    grants(rights, &homes)
        .into_iter()
        .map(|grant| (grant.path, grant.access))
        .collect()
}

#[test]
fn a_cleartext_server_without_a_log_needs_its_site_and_where_the_next_will_be() {
    let (_directory, path, mut rights) = setting();
    let read = |name: &str| (path.join(name), Access::Site);
    assert_eq!(granted(&rights), [read("www/site"), read("www")]);
    symlink("../www/site", path.join("live/current")).unwrap();
    rights.sites = vec![site(path.join("live/current"))];
    assert_eq!(
        granted(&rights),
        [read("www/site"), read("live"), read("www")]
    );
    rights.read = vec![path.join("archive")];
    assert_eq!(granted(&rights)[3..], [read("archive")]);
}

#[test]
fn a_site_in_a_home_directory_or_beneath_the_root_directory_brings_nothing_else() {
    let (_directory, _, mut rights) = setting();
    for root in ["/home/u/site", "/site", "/home/site", "/var/site"] {
        rights.sites = vec![site(root.into())];
        assert_eq!(granted(&rights), [(root.into(), Access::Site)]);
    }
    let told = out_of_reach(&["/home/u".into()]).unwrap();
    assert!(told.contains("/home/u (--sandbox-read DIR"), "{told}");
}

#[test]
fn a_directory_for_uploads_and_no_other_can_be_written() {
    let (_directory, path, mut rights) = setting();
    let before = granted(&rights);
    rights.uploads = vec![path.join("archive")];
    let after = granted(&rights);
    let (upload, others) = after.split_last().unwrap();
    assert_eq!(*upload, (path.join("archive"), Access::Upload));
    assert_eq!(others, before);
    assert!(upload.1.rights().contains(AccessFs::WriteFile));
}

#[test]
fn a_directory_that_goes_with_the_server_can_be_removed() {
    let (_directory, path, mut rights) = setting();
    let before = granted(&rights);
    rights.scratch = vec![path.join("archive")];
    let upload = (path.join("archive"), Access::Upload);
    assert_eq!(
        granted(&rights)[before.len()..],
        [upload, (path.clone(), Access::Scratch)]
    );
}

#[test]
fn a_certificate_is_found_again_where_symlinks_will_lead() {
    let (_directory, path, mut rights) = setting();
    let live = |name: &str| path.join("live").join(name);
    for name in ["cert", "key"] {
        std::fs::write(path.join("archive").join(name), "").unwrap();
        symlink(format!("../archive/{name}"), live(name)).unwrap();
    }
    rights.certificates = vec![Certificate::Files {
        chain: live("cert"),
        key: live("key"),
    }];
    let certificates = [
        (path.join("live"), Access::Certificate),
        (path.join("archive"), Access::Certificate),
    ];
    assert_eq!(granted(&rights)[2..], certificates);
}

#[test]
fn the_key_of_tickets_is_found_again_in_its_directory() {
    let (_directory, path, mut rights) = setting();
    std::fs::write(path.join("live/ticket.key"), "").unwrap();
    rights.ticket_keys = vec![path.join("live/ticket.key")];
    assert_eq!(
        granted(&rights)[2..],
        [(path.join("live"), Access::Certificate)]
    );
}

#[test]
fn files_in_the_root_directory_do_not_open_the_whole_machine() {
    assert_eq!(place(Path::new("/key.pem")), Path::new("/key.pem"));
    assert_eq!(place(Path::new("/tls/key.pem")), Path::new("/tls"));
}

#[test]
fn a_log_may_be_rotated_unless_it_is_a_device_or_a_pipe() {
    let (_directory, path, mut rights) = setting();
    let file = path.join("log/access.log");
    std::fs::write(&file, "").unwrap();
    rights.logs = vec![file];
    assert_eq!(granted(&rights)[2..], [(path.join("log"), Access::Log)]);
    rights.logs = vec!["/dev/null".into()];
    assert_eq!(granted(&rights)[2..], [("/dev/null".into(), Access::Log)]);
    let (_reader, writer) = std::io::pipe().unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
    rights.logs = vec![format!("/proc/self/fd/{descriptor}").into()];
    assert_eq!(granted(&rights)[2..], []);
}

#[test]
fn a_unix_socket_is_removed_in_the_end() {
    let (_directory, path, mut rights) = setting();
    rights.sockets = vec![path.join("live/calmd.sock")];
    assert_eq!(granted(&rights)[2..], [(path.join("live"), Access::Socket)]);
    rights.sockets = vec!["/calmd.sock".into()];
    assert_eq!(granted(&rights)[2..], []);
}

#[test]
fn what_is_in_force_is_told_in_one_line() {
    let (_directory, path, mut rights) = setting();
    rights.logs = vec![path.join("access.log")];
    std::fs::write(path.join("access.log"), "").unwrap();
    let grants = grants(&rights, &[]);
    let told = describe(&grants, &[], ABI::V7).replace(path.to_str().unwrap(), "");
    assert_eq!(
        told,
        "Landlock 7 reads /www/site /www, writes , connects to nothing"
    );
    let old = describe(&grants, &[80, 443], ABI::V3);
    assert!(old.contains("no rules for TCP") && !old.contains("443"));
    let dials = describe(&grants, &[80, 443], ABI::V7);
    assert!(dials.ends_with(" connects to TCP ports 80 443"), "{dials}");
    assert!(
        exposed(&grants)
            .unwrap()
            .contains("/site' lies in the directory of the log")
    );
}
