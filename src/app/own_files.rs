//! The server's own files. [`Files::look_up_private`](crate::world::Files::look_up_private) keeps them
//! from being served, wherever they lie. Every file that an option tells the server to read or write
//! belongs into this list.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::tls::Certificate;
use crate::world::files::{OwnExtent, OwnFile};

/// All files of the server's own that the configuration names.
pub fn own_files(config: &Config) -> Vec<OwnFile> {
    let mut files = Vec::new();
    let mut add = |path: &Path, extent, what, mend| {
        // The path is made absolute now, because a link on the way may get another target later.
        let path: PathBuf = crate::world::files::absolute(path);
        files.push(OwnFile {
            path,
            extent,
            what,
            mend,
        });
    };
    if let Some(file) = &config.settings_file {
        let mend = "move it out of the directory that is served";
        add(file, OwnExtent::Namesakes, "the settings file", mend);
    }
    if config.has_tls() {
        for host in config.hosts_certificates() {
            for certificate in host.certificates {
                add_certificate(certificate, &mut add);
            }
            if let Some(auth) = host.client_auth {
                let what = "the file of clients' authorities";
                let mend = "name them with --client-ca";
                add(&auth.authorities, OwnExtent::Namesakes, what, mend);
            }
        }
    }
    #[cfg(feature = "proxy")]
    if let Some(authorities) = &config.proxy_ca {
        let what = "the file of upstreams' authorities";
        let mend = "name them with --proxy-ca";
        add(authorities, OwnExtent::Namesakes, what, mend);
    }
    if let Some(key) = &config.host.ticket_key {
        add(
            key,
            OwnExtent::Neighbours,
            "the key of session tickets",
            "move it and name it with --ticket-key; until then nothing in its directory is served, \
             unless that is the served one itself",
        );
    }
    #[cfg(feature = "panel")]
    if let Some(trace) = &config.qlog {
        let mend = "move it out of the directory that is served";
        add(
            &trace.file,
            OwnExtent::Namesakes,
            "the trace of --qlog",
            mend,
        );
    }
    if let Some(log) = &config.host.key_log {
        let mend = "move it out of the directory that is served";
        add(log, OwnExtent::Namesakes, "the log of TLS secrets", mend);
    }
    for login in config.host_configs().flat_map(|host| &host.rules.logins) {
        let mend = "move it out of the directory that is served";
        let what = "the users of basic-auth";
        add(&login.users.file, OwnExtent::Namesakes, what, mend);
    }
    #[cfg(feature = "panel")]
    if let Some(file) = &config.panel.users {
        let mend = "move it out of the directory that is served";
        add(file, OwnExtent::Namesakes, "the users of the panel", mend);
    }
    // A shell may have opened a file for the standard streams: `calmd . > log`.
    for (stream, what) in [(1, "standard output"), (2, "standard error")] {
        let file = std::fs::read_link(format!("/proc/self/fd/{stream}"));
        if let Ok(file) = file
            && file.is_file()
        {
            add(
                &file,
                OwnExtent::Namesakes,
                what,
                "redirect it to a file elsewhere",
            );
        }
    }
    if let Some(file) = config.access_log.as_ref().and_then(|log| log.file.as_ref()) {
        add(
            file,
            OwnExtent::Namesakes,
            "the access log",
            "name a file elsewhere with --access-log",
        );
    }
    // Hosts with the same certificates share their files.
    let mut known = HashSet::new();
    files.retain(|file| known.insert((file.path.clone(), file.extent, file.what)));
    files.shrink_to_fit();
    files
}

/// Adds the files of a certificate.
fn add_certificate(
    certificate: &Certificate,
    add: &mut impl FnMut(&Path, OwnExtent, &'static str, &'static str),
) {
    match certificate {
        Certificate::Files { chain, key } => {
            add(
                chain,
                OwnExtent::Namesakes,
                "the certificate",
                "name one with --cert",
            );
            add(
                key,
                OwnExtent::Neighbours,
                "the private key",
                "move it and name it with --key; until then nothing in its directory is served, \
                 unless that is the served one itself",
            );
        }
        Certificate::SelfSigned { directory } => {
            if let Some(directory) = directory {
                let what = "the directory of the self-signed certificate";
                let mend = "name another with STATE_DIRECTORY";
                add(directory, OwnExtent::Directory, what, mend);
                // The files are listed by themselves too, in case the directory is the served one.
                let (what, mend) = ("the self-signed certificate", "serve another directory");
                add(
                    &directory.join("localhost.pem"),
                    OwnExtent::Namesakes,
                    what,
                    mend,
                );
                let what = "the key of the self-signed certificate";
                add(
                    &directory.join("localhost.key"),
                    OwnExtent::Neighbours,
                    what,
                    mend,
                );
            }
        }
    }
}
