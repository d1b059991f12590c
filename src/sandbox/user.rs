//! Another user than root, become before serving.

use super::Report;
use crate::world::User;
use rustix::io::Errno;
use rustix::process::{geteuid, getgid, getgroups, getuid};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use rustix::thread::{Gid, Uid};
use rustix::thread::{clear_ambient_capability_set, remove_capability_from_bounding_set};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::io;

/// Becomes a user for good: real, effective and saved, with no group of the old user and no capability
/// left. Rights that could not be given up are told in the report.
pub(super) fn switch(user: &User, report: &mut Report) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    empty_bounding_set();
    let is_already = (getuid(), geteuid(), getgid()) == (uid, uid, gid);
    // The groups first: without root they can no longer be changed.
    if let Some(left) = set_groups(user, is_already)? {
        report.missing.push(left);
    }
    if !is_already {
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
    }
    drop_capabilities()
}

/// Leaves all groups but the user's. A process that was started as that user may have others, and no right
/// to leave them: then they are told.
fn set_groups(user: &User, is_already: bool) -> io::Result<Option<String>> {
    let wanted: Vec<Gid> = user.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    match set_thread_groups(&wanted) {
        Err(Errno::PERM) if is_already => {
            let foreign = |gid: &Gid| !wanted.contains(gid);
            let foreign: Vec<Gid> = getgroups()?.into_iter().filter(foreign).collect();
            let numbers: Vec<String> = foreign.iter().map(|gid| gid.to_string()).collect();
            let what = format!(
                "still in the groups {} (--user): only root can leave them, start as root",
                numbers.join(", ")
            );
            Ok((!numbers.is_empty()).then_some(what))
        }
        result => Ok(result.map(|()| None)?),
    }
}

/// Takes every capability away from programs that could be started later, as far as there is a right to.
/// This is one more wall only, because no program is started.
fn empty_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        // Without the right to, nothing else is lost.
        let _ = remove_capability_from_bounding_set(capability);
    }
}

/// Gives all capabilities up: those that are left of root, of the program's file, or ambient ones.
pub(super) fn drop_capabilities() -> io::Result<()> {
    match clear_ambient_capability_set() {
        // Before Linux 4.3 there were none.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)?;
    if capabilities(None)? != none {
        return Err(io::Error::other("capabilities are left"));
    }
    Ok(())
}

/// The user of the process in a few words, and for root the option that gives that up.
pub(super) fn describe(user: Option<&User>) -> String {
    match user {
        Some(user) => format!("user {} (uid {}), no capabilities", user.name, user.uid),
        None if geteuid().is_root() => "still root (--user NAME gives that up)".into(),
        None => format!("uid {}", geteuid().as_raw()),
    }
}
