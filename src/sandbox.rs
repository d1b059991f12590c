//! The sandbox: rights that the process gives up once everything that it needs is open.
//!
//! From then on a server reads its site, accepts connections, reads and writes sockets, and appends to its
//! log; an attacker who takes it over can do no more. The order of the steps matters, because each needs
//! rights that a later one takes away:
//!
//! ```text
//!  files          opens the directories that stay in reach    (needs the starter's rights)
//!  user           no longer root, if there is another user,   (needs root)
//!                 its groups alone, no capability
//!  no_new_privs   no program could bring rights back
//!  files          Landlock: those directories, no TCP out but to upstreams
//!  system_calls   seccomp: what serving takes; no program, no socket but accepted and dialled ones
//! ```
//!
//! Each step binds the calling thread, which is the only one. A step that the kernel has must take effect,
//! else the server does not start; one that it lacks is told in a warning. `world::files` keeps a request
//! beneath the site's root; the sandbox is the wall behind that.
//!
//! A helper process has a sandbox of its own ([`enter_helper`]), of which the last two steps leave less.
//!
//! All tests of the server run in the sandbox. A system call that the server newly needs fails there with
//! "Operation not permitted", and belongs into `system_calls`.

mod deployments;
mod files;
mod rights;
#[cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )),
    path = "sandbox/no_system_calls.rs"
)]
mod system_calls;
mod user;

use crate::tls::Certificate;
use files::Confinement;
use rustix::fs::{Access, access};
use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

pub use rights::{DialRights, Rights, SiteRights};

/// Parts of the sandbox that are in force, and parts that are missing.
#[derive(Debug, Default)]
pub struct Report {
    /// Rights that the process has given up, in a few words each.
    pub in_force: Vec<String>,
    /// Parts that were asked for and could not be had: a sentence each, with the reason.
    pub missing: Vec<String>,
}

impl Report {
    /// Tells the operator: one line for what is in force, a warning for each thing that is not.
    pub fn log(&self) {
        if !self.in_force.is_empty() {
            log::info!("sandbox: {}", self.in_force.join("; "));
        }
        for sentence in &self.missing {
            log::warn!("sandbox: {sentence}");
        }
    }
}

/// Gives up everything but these rights, as far as they say so and the kernel can. All files and listeners
/// that they name must be open by now.
pub fn enter(rights: &Rights) -> Result<Report, SandboxError> {
    check_readable(rights)?;
    let mut report = Report::default();
    let confinement = if rights.sandbox {
        Some(Confinement::prepare(rights).map_err(apply_error("Landlock"))?)
    } else {
        None
    };
    if let Some(user) = &rights.user {
        user::switch(user, &mut report).map_err(|reason| SandboxError::User {
            name: user.name.clone(),
            reason,
        })?;
        report.missing.extend(lost(rights));
    }
    report.in_force.push(user::describe(rights.user.as_ref()));
    let Some(confinement) = confinement else {
        report.missing.push("off (--sandbox off)".into());
        return Ok(report);
    };
    // Landlock and seccomp would set it themselves. Set here, it holds without them too.
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| apply_error("no_new_privs")(error.into()))?;
    report.in_force.push("no new privileges".into());
    confinement
        .apply(&mut report)
        .map_err(apply_error("Landlock"))?;
    let server = ConfinedProcess::Server {
        helpers: &rights.helpers,
        dials: &rights.dials,
        succession: rights.succession,
        uploads: !rights.uploads.is_empty() || !rights.scratch.is_empty(),
    };
    system_calls::filter(server, &mut report).map_err(apply_error("seccomp"))?;
    Ok(report)
}

/// Rights of a helper process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperRights<'r> {
    /// To the descriptors that its server passes to it.
    Descriptors,
    /// Those, to open files beneath these directories for reading, and to pass them to its server. It takes Landlock,
    /// which alone tells these directories from others: without it no file is opened.
    Files(&'r [PathBuf]),
}

/// The directories beneath which a server of these rights reads its sites, for its helper: those of the sites, and
/// those around them where deployments will put the next. One that lies within another is left out.
pub fn site_directories(rights: &Rights) -> Vec<PathBuf> {
    files::site_directories(rights)
}

/// Shuts a helper process in, more tightly than its server: no capability, no file by its name but those of the sites,
/// no program, and no socket but its own. It reads through descriptors that its server passes to it.
pub fn enter_helper(rights: HelperRights<'_>) -> Result<Report, SandboxError> {
    let mut report = Report::default();
    user::drop_capabilities().map_err(|error| apply_error("capabilities")(error.into()))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| apply_error("no_new_privs")(error.into()))?;
    let readable = match rights {
        HelperRights::Descriptors => &[][..],
        HelperRights::Files(directories) => directories,
    };
    // One that the helper's user cannot reach is left out: the server opens its files alone.
    let readable = readable.iter().filter(|directory| directory.is_dir());
    let landlock = Rights {
        read: readable.cloned().collect(),
        ..Rights::default()
    };
    Confinement::prepare(&landlock)
        .and_then(|confinement| confinement.apply(&mut report))
        .map_err(apply_error("Landlock"))?;
    let opens = rights != HelperRights::Descriptors && report.missing.is_empty();
    let helper = ConfinedProcess::Helper { opens };
    system_calls::filter(helper, &mut report).map_err(apply_error("seccomp"))?;
    Ok(report)
}

/// A process that is shut in.
#[derive(Clone, Copy, Debug)]
enum ConfinedProcess<'r> {
    /// The server, with its sockets to helpers, the sockets that it dials, the right to hand
    /// its listeners over, and that to store uploads.
    Server {
        helpers: &'r [RawFd],
        dials: &'r DialRights,
        succession: bool,
        uploads: bool,
    },
    /// A helper, which may open files and pass them to its server.
    Helper { opens: bool },
}

/// Files that root could open and the user that it has become cannot open again, a sentence each.
fn lost(rights: &Rights) -> Vec<String> {
    let mut lost = Vec::new();
    let mut expect = |path: &Path, wanted: Access, loss: &str| {
        if let Err(error) = access(path, wanted) {
            lost.push(format!("'{}': {error}; {loss}", path.display()));
        }
    };
    for site in &rights.sites {
        let wanted = if site.listing {
            Access::READ_OK | Access::EXEC_OK
        } else {
            Access::EXEC_OK
        };
        expect(
            &site.root,
            wanted,
            "let this user read it (chmod o+rx), and its files",
        );
    }
    let old_certificate = "SIGHUP will keep the old certificate";
    for certificate in &rights.certificates {
        match certificate {
            Certificate::Files { chain, key } => {
                expect(chain, Access::READ_OK, old_certificate);
                expect(key, Access::READ_OK, old_certificate);
            }
            Certificate::SelfSigned {
                directory: Some(directory),
            } if directory.is_dir() => expect(directory, Access::WRITE_OK, old_certificate),
            Certificate::SelfSigned { .. } => {}
        }
    }
    for file in &rights.ticket_keys {
        expect(file, Access::READ_OK, "SIGHUP will keep the old ticket key");
    }
    for file in &rights.settings {
        expect(file, Access::READ_OK, "SIGHUP will keep the old settings");
    }
    for file in &rights.logs {
        expect(file, Access::WRITE_OK, "SIGUSR1 will keep the old log");
    }
    lost
}

type Reason = Box<dyn std::error::Error + Send + Sync>;

fn apply_error(part: &'static str) -> impl FnOnce(Reason) -> SandboxError {
    move |reason| SandboxError::Apply { part, reason }
}

/// Refuses a directory of `--sandbox-read` that cannot be opened: it would be missed only when it is
/// needed.
fn check_readable(rights: &Rights) -> Result<(), SandboxError> {
    for path in &rights.read {
        std::fs::read_dir(path).map_err(|reason| SandboxError::Read {
            path: path.clone(),
            reason,
        })?;
    }
    Ok(())
}

/// Reason why the process could not be shut in. Displayed, it is one line that says how to mend it.
#[derive(Debug)]
pub enum SandboxError {
    /// The user could not be changed.
    User {
        /// The user's name.
        name: String,
        /// The system's error.
        reason: std::io::Error,
    },
    /// A directory that is to stay readable is not.
    Read {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The kernel has this part and refuses it.
    Apply {
        /// The part's name.
        part: &'static str,
        /// The system's error.
        reason: Reason,
    },
}

impl std::error::Error for SandboxError {}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SandboxError::User { name, reason } => write!(
                f,
                "cannot become the user '{name}' (--user): {reason}; start as root, or as that \
                 user and without --user"
            ),
            SandboxError::Read { path, reason } => write!(
                f,
                "cannot read the directory '{}' (--sandbox-read): {reason}; name one that exists",
                path.display()
            ),
            SandboxError::Apply { part, reason } => write!(
                f,
                "cannot enter the sandbox, {part} fails: {reason}; --sandbox off serves without"
            ),
        }
    }
}
