//! Directories for uploads, mounted on the hosts: those of the configuration, and that of the demo.

use std::error::Error;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;

use super::own_files;
use crate::config::Config;
use crate::helper::HelperSandbox;
use crate::routes::Routes;
use crate::upload::{ScratchDirectory, UploadMeans, UploadRule, UploadWriter, Uploads};
use crate::world::files::{OwnFiles, Root};
use crate::world::os::OsWorld;

/// Directories and a process that stay for as long as the server.
#[derive(Default)]
pub(super) struct Mounted {
    /// The directories of demos, which are removed when they are dropped.
    pub(super) scratch: Vec<ScratchDirectory>,
    /// The socket to the process that writes, if there is one.
    pub(super) writer: Option<RawFd>,
}

/// Mounts the directories for uploads, once the files of the server's own are there.
pub(super) fn mount(
    routes: &mut Routes<Root>,
    config: &Config,
    world: &mut OsWorld<Root>,
) -> Result<Mounted, Box<dyn Error>> {
    let mut mounted = Mounted::default();
    if config.uploads.is_empty() && config.sites().all(|site| !site.demo) {
        return Ok(mounted);
    }
    let writer = start_writer(config);
    if let Some(writer) = &writer {
        mounted.writer = writer.with_socket(|socket| socket.as_raw_fd());
        writer
            .with_socket(|socket| world.watch_helper(socket))
            .transpose()?;
        let writer = writer.clone();
        routes.tend(Box::new(move || writer.take_answers()));
    }
    let means = UploadMeans {
        limits: config.upload_limits,
        writer,
        sync: config.upload_sync,
        counts: Rc::default(),
    };
    let counts = means.counts.clone();
    routes.count(Box::new(move |text| counts.write_metrics(text)));
    let own = OwnFiles::from(own_files::own_files(config));
    for (number, site) in config.sites().enumerate() {
        let rules = if number == 0 {
            &config.uploads[..]
        } else {
            &[]
        };
        let demo = site
            .demo
            .then(|| ScratchDirectory::make(config.user.as_ref()));
        let demo = demo.and_then(|made| {
            // The rest of the demo works without.
            made.inspect_err(|error| log::warn!("there is no /upload: {error}; set TMPDIR"))
                .ok()
        });
        let demo_rule = demo
            .as_ref()
            .map(|demo| UploadRule::demo(demo.path().into()));
        for rule in rules.iter().chain(&demo_rule) {
            let uploads = Uploads::open(rule, means.clone(), &site.headers)?;
            uploads.keep_private(own.clone());
            if let Some(host) = routes.host(number) {
                host.mount(&rule.path, Box::new(uploads));
            }
        }
        mounted.scratch.extend(demo);
    }
    Ok(mounted)
}

/// Starts the process that writes uploads, where a directory takes some. Without it, as on a machine that does not
/// show a process its own program, the server writes them.
fn start_writer(config: &Config) -> Option<UploadWriter> {
    if config.uploads.is_empty() {
        return None;
    }
    let sandbox = if config.sandbox {
        HelperSandbox::On
    } else {
        HelperSandbox::Off
    };
    UploadWriter::start(config.user.as_ref(), sandbox)
        .inspect_err(|error| {
            log::warn!("{error}; a slow disk for uploads will delay other clients")
        })
        .ok()
}

/// Opens the directories for uploads to read: opening them to write would remove leftovers.
pub(super) fn check(config: &Config) -> Result<(), Box<dyn Error>> {
    for rule in &config.uploads {
        Root::open(&rule.directory).map_err(|error| format!("--upload: {error}"))?;
    }
    Ok(())
}
