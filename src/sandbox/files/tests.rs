//! Which directories a configuration needs. What they are good for is proved in `tests/it/sandbox`.

use super::*;
use crate::config::{AccessLogConfig, LogFormat};
use std::os::unix::fs::symlink;

/// A directory of `www/site`, `live`, `archive`, `log`, and a configuration that serves cleartext only.
fn setting() -> (tempfile::TempDir, PathBuf, Config) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    for name in ["www/site", "live", "archive", "log"] {
        std::fs::create_dir_all(path.join(name)).unwrap();
    }
    let mut config = Config::default();
    config.site.root = path.join("www/site");
    config.listen_tls.clear();
    (directory, path, config)
}

fn log_to(config: &mut Config, file: &Path) {
    config.access_log = Some(AccessLogConfig {
        file: Some(file.into()),
        format: LogFormat::Combined,
    });
}

fn granted(config: &Config) -> Vec<(PathBuf, Access)> {
    let homes = [PathBuf::from("/home/u")];
    grants(config, &homes)
        .into_iter()
        .map(|grant| (grant.path, grant.access))
        .collect()
}

#[test]
fn a_cleartext_server_without_a_log_needs_its_site_and_where_the_next_will_be() {
    let (_directory, path, mut config) = setting();
    let site = |name: &str| (path.join(name), Access::Site);
    assert_eq!(granted(&config), [site("www/site"), site("www")]);
    symlink("../www/site", path.join("live/current")).unwrap();
    config.site.root = path.join("live/current");
    assert_eq!(
        granted(&config),
        [site("www/site"), site("live"), site("www")]
    );
    config.sandbox_read = vec![path.join("archive")];
    assert_eq!(granted(&config)[3..], [site("archive")]);
}

#[test]
fn a_site_in_a_home_directory_or_beneath_the_root_directory_brings_nothing_else() {
    let (_directory, _, mut config) = setting();
    for root in ["/home/u/site", "/site", "/home/site", "/var/site"] {
        config.site.root = root.into();
        assert_eq!(granted(&config), [(root.into(), Access::Site)]);
    }
    let told = out_of_reach(&["/home/u".into()]).unwrap();
    assert!(told.contains("/home/u (--sandbox-read DIR"), "{told}");
}

#[test]
fn a_certificate_is_found_again_where_symlinks_will_lead() {
    let (_directory, path, mut config) = setting();
    config.listen_tls = Config::default().listen_tls;
    let live = |name: &str| path.join("live").join(name);
    for name in ["cert", "key"] {
        std::fs::write(path.join("archive").join(name), "").unwrap();
        symlink(format!("../archive/{name}"), live(name)).unwrap();
    }
    config.certificate = Certificate::Files {
        chain: live("cert"),
        key: live("key"),
    };
    let certificates = [
        (path.join("live"), Access::Certificate),
        (path.join("archive"), Access::Certificate),
    ];
    assert_eq!(granted(&config)[2..], certificates);
}

#[test]
fn files_in_the_root_directory_do_not_open_the_whole_machine() {
    assert_eq!(place(Path::new("/key.pem")), Path::new("/key.pem"));
    assert_eq!(place(Path::new("/tls/key.pem")), Path::new("/tls"));
}

#[test]
fn a_log_may_be_rotated_unless_it_is_a_device_or_a_pipe() {
    let (_directory, path, mut config) = setting();
    let file = path.join("log/access.log");
    std::fs::write(&file, "").unwrap();
    log_to(&mut config, &file);
    assert_eq!(granted(&config)[2..], [(path.join("log"), Access::Log)]);
    log_to(&mut config, Path::new("/dev/null"));
    assert_eq!(granted(&config)[2..], [("/dev/null".into(), Access::Log)]);
    let (_reader, writer) = std::io::pipe().unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
    log_to(
        &mut config,
        Path::new(&format!("/proc/self/fd/{descriptor}")),
    );
    assert_eq!(granted(&config)[2..], []);
}

#[test]
fn a_unix_socket_is_removed_in_the_end() {
    let (_directory, path, mut config) = setting();
    config.listen = vec![ListenAddress::Unix(path.join("live/calmd.sock").into())];
    assert_eq!(granted(&config)[2..], [(path.join("live"), Access::Socket)]);
    config.listen = vec![ListenAddress::Unix("/calmd.sock".into())];
    assert_eq!(granted(&config)[2..], []);
}

#[test]
fn what_is_in_force_is_told_in_one_line() {
    let (_directory, path, mut config) = setting();
    log_to(&mut config, &path.join("access.log"));
    std::fs::write(path.join("access.log"), "").unwrap();
    let grants = grants(&config, &[]);
    let told = describe(&grants, ABI::V7).replace(path.to_str().unwrap(), "");
    assert_eq!(
        told,
        "Landlock 7 reads /www/site /www, writes , connects to nothing"
    );
    assert!(describe(&grants, ABI::V3).contains("no rules for TCP"));
    assert!(
        exposed(&grants)
            .unwrap()
            .contains("/site' lies in the directory of the log")
    );
}
