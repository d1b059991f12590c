//! Directories for uploads, mounted on the hosts: those of the configuration, and that of the demo.

use std::error::Error;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::rc::Rc;

use super::hosts::OpenedHost;
use super::own_files;
use crate::config::Config;
use crate::helper::HelperSandbox;
use crate::hosts::HostPattern;
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
    if !takes_uploads(config) && config.sites().all(|site| !site.demo) {
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
        descriptors: routes.supply(),
    };
    let counts = means.counts.clone();
    routes.count(Box::new(move |text| counts.write_metrics(text)));
    let own = OwnFiles::from(own_files::own_files(config));
    for (number, (site, (_, rules))) in config.sites().zip(config.uploads()).enumerate() {
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

/// True if a host has a directory for uploads.
fn takes_uploads(config: &Config) -> bool {
    config.uploads().any(|(_, rules)| !rules.is_empty())
}

/// Starts the process that writes uploads, where a directory takes some. Without it, as on a machine that does not
/// show a process its own program, the server writes them.
fn start_writer(config: &Config) -> Option<UploadWriter> {
    if !takes_uploads(config) {
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
    for rule in config.uploads().flat_map(|(_, rules)| rules) {
        Root::open(&rule.directory).map_err(|error| format!("--upload: {error}"))?;
    }
    Ok(())
}

/// The directories for uploads that are open: others take a restart, because the sandbox lets no others be written.
pub(super) struct KnownUploads(Vec<KnownUpload>);

/// A directory that is open.
#[derive(Clone)]
struct KnownUpload {
    /// The names of the host that it is mounted on; none for the first host.
    names: Vec<HostPattern>,
    rule: UploadRule,
}

/// A directory that is to be moved to the host of this number.
pub(super) struct UploadMove {
    host: usize,
    known: KnownUpload,
}

impl KnownUploads {
    /// The directories of a configuration that is in force.
    pub(super) fn of(config: &Config) -> Self {
        let known = config.uploads().flat_map(|(names, rules)| {
            rules.iter().map(|rule| KnownUpload {
                names: names.to_vec(),
                rule: rule.clone(),
            })
        });
        KnownUploads(known.collect())
    }

    /// The moves for another configuration. The error names the first directory that is not open.
    pub(super) fn moves(&self, config: &Config) -> Result<Vec<UploadMove>, String> {
        let mut left = self.0.clone();
        let mut moves = Vec::new();
        for (host, (names, rules)) in config.uploads().enumerate() {
            for rule in rules {
                let is_it = |known: &KnownUpload| known.rule == *rule;
                let here = left
                    .iter()
                    .position(|known| is_it(known) && known.names == names);
                let place = here.or_else(|| left.iter().position(is_it)).ok_or_else(|| {
                    format!(
                        "the directory {} for uploads at '{}' was not open before: restart needed",
                        rule.directory.display(),
                        rule.path
                    )
                })?;
                let known = left.swap_remove(place);
                moves.push(UploadMove { host, known });
            }
        }
        Ok(moves)
    }
}

/// Moves directories, and the uploads that are open, to the next hosts. The directory of a demo goes to the host
/// with one of its names; a demo that is new has none.
pub(super) fn move_all(
    moves: &[UploadMove],
    config: &Config,
    routes: &mut Routes<Root>,
    hosts: &mut [OpenedHost<'_>],
) {
    for UploadMove { host, known } in moves {
        if let Some(handler) = routes.unmount(&known.names, &known.rule.path)
            && let Some((_, host)) = hosts.get_mut(*host)
        {
            host.mount(&known.rule.path, handler);
        }
    }
    let demo = UploadRule::demo(PathBuf::new()).path;
    for (number, ((names, host), site)) in hosts.iter_mut().zip(config.sites()).enumerate() {
        let names = match number {
            0 => &[],
            _ => names.unwrap_or_default(),
        };
        if site.demo
            && let Some(handler) = routes.unmount(names, &demo)
        {
            host.mount(&demo, handler);
        }
    }
}
