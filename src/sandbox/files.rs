//! Landlock: the files that may still be touched, and the TCP ports that may be connected to.
//!
//! A rule belongs to a directory as it is now, not to its path, and covers all that will be in it. Files
//! that are replaced (the site by a deployment, certificates when they are renewed, logs when they are
//! rotated) are therefore granted by the directories around them; see [`super::deployments`].

use super::deployments::{around, homes};
use super::{Reason, Report, Rights, SiteRights};
use crate::tls::Certificate;
use crate::world;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope, make_bitflags,
};
use std::collections::HashSet;
use std::fs::FileType;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Newest version of Landlock that was tested, of Linux 6.15. TCP came with version 4, of Linux 6.7.
const TESTED: ABI = ABI::V7;

/// The most paths that the report names: those of a few hosts.
const MOST_TOLD: usize = 20;

/// The most directories that a helper is told of. As arguments, of at most 4 KiB each, they fit into half of what
/// the kernel takes.
const MOST_PASSED: usize = 256;

/// A path and the access beneath it; all else is forbidden.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PathGrant {
    path: PathBuf,
    access: Access,
}

impl PathGrant {
    /// Tells grants by which a site in this directory may be read.
    fn opens(&self, directory: &Path) -> bool {
        self.access == Access::Site && directory.starts_with(&self.path)
    }
}

/// The use of a path, which decides its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Access {
    /// The site: read its files, list its directories.
    Site,
    /// Certificates, keys and settings of the operator, to be read again.
    Certificate,
    /// Certificates of our own: read again, and made anew when they are about to expire.
    OwnCertificate,
    /// The log: created and appended to, never read nor cut.
    Log,
    /// Uploads: written, renamed within their directory, and read.
    Upload,
    /// The name of a Unix socket, to be removed in the end.
    Socket,
    /// The place of a directory for uploads that is removed in the end.
    Scratch,
}

impl Access {
    fn rights(self) -> BitFlags<AccessFs> {
        match self {
            Access::Site => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
            Access::Certificate => AccessFs::ReadFile.into(),
            Access::OwnCertificate | Access::Upload => {
                make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | MakeReg | RemoveFile})
            }
            Access::Log => make_bitflags!(AccessFs::{WriteFile | MakeReg}),
            Access::Socket => AccessFs::RemoveFile.into(),
            Access::Scratch => AccessFs::RemoveDir.into(),
        }
    }
}

/// Everything that the process may still touch.
fn grants(rights: &Rights, homes: &[PathBuf]) -> Vec<PathGrant> {
    let mut grants = Vec::new();
    let mut known = HashSet::new();
    let mut add = |path, access| {
        let grant = PathGrant { path, access };
        if known.insert(grant.clone()) {
            grants.push(grant);
        }
    };
    for SiteRights { root, .. } in &rights.sites {
        add(absolute(root), Access::Site);
        for directory in around(&world::files::absolute(root), homes).near {
            add(directory, Access::Site);
        }
    }
    for directory in &rights.read {
        add(absolute(directory), Access::Site);
    }
    for certificate in &rights.certificates {
        grant_certificate(certificate, homes, &mut add);
    }
    for file in &rights.ticket_keys {
        grant_renewed(file, homes, &mut add);
    }
    for file in &rights.settings {
        grant_edited(file, homes, &mut add);
    }
    for file in &rights.logs {
        // A pipe behind /dev/stdout has no path, and Landlock leaves it alone.
        let Ok(file) = file.canonicalize() else {
            continue;
        };
        let is_replaced = |kind: FileType| kind.is_file() || kind.is_fifo();
        let replaced = file
            .metadata()
            .is_ok_and(|found| is_replaced(found.file_type()));
        add(if replaced { place(&file) } else { file }, Access::Log);
    }
    for directory in &rights.uploads {
        add(absolute(directory), Access::Upload);
    }
    for directory in &rights.scratch {
        add(absolute(directory), Access::Upload);
        add(absolute(parent(directory)), Access::Scratch);
    }
    for path in &rights.sockets {
        let directory = absolute(parent(path));
        // In the root directory the name stays; the next start removes it.
        if directory != Path::new("/") {
            add(directory, Access::Socket);
        }
    }
    grants
}

/// The directories beneath which sites are read, the outermost alone.
pub(super) fn site_directories(rights: &Rights) -> Vec<PathBuf> {
    let grants = grants(rights, &homes()).into_iter();
    let of_sites = grants.filter(|grant| grant.access == Access::Site);
    let mut directories: Vec<_> = of_sites.map(|grant| grant.path).collect();
    directories.sort();
    directories.dedup_by(|inner, outer| inner.starts_with(&*outer));
    directories.truncate(MOST_PASSED);
    directories
}

/// Grants what reading a certificate again takes, or making it anew.
fn grant_certificate(
    certificate: &Certificate,
    homes: &[PathBuf],
    add: &mut impl FnMut(PathBuf, Access),
) {
    match certificate {
        // Where it could not be made, the pair is in memory only.
        Certificate::SelfSigned { directory } => {
            if let Some(directory) = directory.as_ref().filter(|directory| directory.is_dir()) {
                add(absolute(directory), Access::OwnCertificate);
            }
        }
        Certificate::Files { chain, key } => {
            for file in [chain, key] {
                grant_renewed(file, homes, add);
            }
        }
    }
}

/// Grants what reading a file again takes that is replaced by a newer one.
fn grant_renewed(file: &Path, homes: &[PathBuf], add: &mut impl FnMut(PathBuf, Access)) {
    // A name that is a symlink, as ACME clients make them, will lead to another file of the directory that
    // it leads to today.
    add(
        place(&absolute(parent(file)).join(file.file_name().unwrap_or_default())),
        Access::Certificate,
    );
    add(place(&absolute(file)), Access::Certificate);
    for directory in around(&world::files::absolute(file), homes).near {
        add(directory, Access::Certificate);
    }
}

/// Grants what reading a file again takes that a person edits: editors put a new file in its place. In a
/// directory that holds much beside it, it is the file alone, and a new one goes unseen.
fn grant_edited(file: &Path, homes: &[PathBuf], add: &mut impl FnMut(PathBuf, Access)) {
    let around = around(&world::files::absolute(file), homes);
    if !around.too_wide.is_empty() {
        add(absolute(file), Access::Certificate);
    }
    for directory in around.near {
        add(directory, Access::Certificate);
    }
}

/// The path to grant for a file that may be replaced: its directory. The root directory would be the whole
/// machine, so there it is the file alone, and replacing it goes unseen.
fn place(file: &Path) -> PathBuf {
    match parent(file) {
        root if root == Path::new("/") => file.to_owned(),
        directory => directory.to_owned(),
    }
}

fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The path without symlinks; as it is where that cannot be told, and opening it tells why.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Rights that the process will be left with. The directories are opened while they still can be.
pub(super) struct Confinement {
    grants: Vec<PathGrant>,
    /// TCP ports that may be connected to.
    ports: Vec<u16>,
    /// Directories around the site that would have been too much to grant.
    too_wide: Vec<PathBuf>,
    ruleset: RulesetCreated,
}

impl Confinement {
    /// Leaves these rights, and nothing else.
    pub fn prepare(rights: &Rights) -> Result<Self, Reason> {
        let homes = homes();
        let grants = grants(rights, &homes);
        let roots = rights.sites.iter().map(|site| &site.root);
        let mut too_wide: Vec<PathBuf> = roots
            .flat_map(|root| around(&world::files::absolute(root), &homes).too_wide)
            .collect();
        too_wide.retain(|directory| !grants.iter().any(|grant| grant.opens(directory)));
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(TESTED))?
            .handle_access(AccessNet::from_all(TESTED))?
            .scope(Scope::from_all(TESTED))?
            .create()?;
        for PathGrant { path, access } in &grants {
            let rule = PathBeneath::new(PathFd::new(path)?, access.rights());
            ruleset = ruleset.add_rule(rule)?;
        }
        let mut ports = rights.dials.ports.clone();
        ports.sort_unstable();
        ports.dedup();
        for port in &ports {
            ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
        Ok(Confinement {
            ports,
            grants,
            too_wide,
            ruleset,
        })
    }

    /// Puts the rules in force, for good.
    pub fn apply(self, report: &mut Report) -> Result<(), Reason> {
        match self.ruleset.restrict_self()?.landlock {
            LandlockStatus::Available { effective_abi, .. } => {
                report
                    .in_force
                    .push(describe(&self.grants, &self.ports, effective_abi));
                report.missing.extend(exposed(&self.grants));
                report.in_force.extend(out_of_reach(&self.too_wide));
            }
            LandlockStatus::NotEnabled => report.missing.push(
                "Landlock is switched off in this kernel (name it in the boot parameter lsm=): \
                 every file that the user may read stays in reach"
                    .into(),
            ),
            LandlockStatus::NotImplemented => report.missing.push(
                "there is no Landlock here (Linux 5.13 has it, a container's filter may hide it): \
                 every file that the user may read stays in reach"
                    .into(),
            ),
        }
        Ok(())
    }
}

/// The directories by what they are for, and what stays open in an older kernel.
fn describe(grants: &[PathGrant], ports: &[u16], abi: ABI) -> String {
    use Access::{Certificate, Log, OwnCertificate, Scratch, Site, Socket, Upload};
    let mut text = format!("Landlock {}", abi as i32);
    for (verb, accesses) in [
        ("reads", &[Site, Certificate, OwnCertificate, Upload][..]),
        ("writes", &[OwnCertificate, Log, Upload]),
        ("removes from", &[Socket, Scratch]),
    ] {
        let matching = grants
            .iter()
            .filter(|grant| accesses.contains(&grant.access));
        let mut paths: Vec<_> = matching
            .map(|grant| grant.path.display().to_string())
            .collect();
        paths.dedup();
        let more = paths.len().saturating_sub(MOST_TOLD);
        if more > 0 {
            paths.truncate(MOST_TOLD);
            paths.push(format!("and {more} more"));
        }
        if !paths.is_empty() {
            text.push_str(&format!(" {verb} {},", paths.join(" ")));
        }
    }
    text.push_str(match abi {
        ABI::V1 | ABI::V2 | ABI::V3 => " has no rules for TCP (Linux 6.7 brings them)",
        _ if ports.is_empty() => " connects to nothing",
        _ => " connects to TCP ports",
    });
    if abi as i32 >= ABI::V4 as i32 {
        ports
            .iter()
            .for_each(|port| text.push_str(&format!(" {port}")));
    }
    text
}

/// A sentence on where deployments will go unseen.
fn out_of_reach(too_wide: &[PathBuf]) -> Option<String> {
    let paths: Vec<_> = too_wide
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    (!paths.is_empty()).then(|| {
        format!(
            "another directory in the place of the site would be out of reach in {} (--sandbox-read \
             DIR grants it)",
            paths.join(" and ")
        )
    })
}

/// A sentence on files in the directory of the log, which can therefore be written after all.
fn exposed(grants: &[PathGrant]) -> Option<String> {
    let of_log = |grant: &&PathGrant| grant.access == Access::Log;
    let log = &grants.iter().find(of_log)?.path;
    let inside = grants
        .iter()
        .find(|grant| !of_log(grant) && grant.path.starts_with(log))?;
    Some(format!(
        "'{}' lies in the directory of the log and can be written: give the log one of its own",
        inside.path.display()
    ))
}

#[cfg(test)]
mod tests;
