//! seccomp: the system calls that serving takes, or helping, and no other.
//!
//! Two filters. Calls that serving takes pass. Others fail with EPERM, so that a rare path (a new C
//! library, another allocator) fails as a call, and does not end a server at a peer's will. Calls that
//! only an intruder makes end the process at once: an intruder is no longer to be served, and the death
//! shows in the system's log.
//!
//! Most calls are decided by their number alone, and for those the kernel (since 5.11) keeps the
//! answer in a bitmap and runs no filter.

use super::{ConfinedProcess, DialRights, Reason, Report};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io;

/// Calls that serving takes, with any arguments. Traced over TLS, HTTP/1.1, HTTP/2, uploads, listings,
/// Unix sockets, all signals and a certificate made anew; a line that the trace did not show says why it
/// is here.
const ALLOWED: &[i64] = &[
    // The poll loop; waiting for a slow reader of the log in the end.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    // Connections that were accepted.
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    // Files of the site, certificates, the log: Landlock decides which. Standard libraries differ
    // in `lseek`, `newfstatat` and `writev`.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    // The site's root when another directory has taken its name, and links within it.
    libc::SYS_faccessat,
    libc::SYS_readlinkat,
    // Relative paths of settings that are read again.
    libc::SYS_getcwd,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_preadv,
    // Read-ahead of a file that is not in memory, which not every site has.
    libc::SYS_preadv2,
    libc::SYS_fadvise64,
    libc::SYS_sendfile,
    libc::SYS_lseek,
    libc::SYS_getdents64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    // A self-signed certificate is made anew: locked, written, moved into place.
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_mkdirat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    // Memory; mapping it is in `conditional`. The allocator chooses which of them it calls.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Random numbers; the clock where the kernel does not share it.
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    // Signals, what aborting does with them, and what the kernel resumes after SIGCONT.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Calls that cannot fail, so that their callers do not look for an error.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_sched_yield,
    // Locks, and the end.
    libc::SYS_futex,
    libc::SYS_exit_group,
];

/// Calls that dialling takes; the sockets themselves are in `conditional`, and Landlock decides on ports.
const ALLOWED_TO_DIAL: &[i64] = &[
    libc::SYS_connect,
    // Small writes go out at once; the outcome of connecting.
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_getpeername,
];

/// Calls that storing uploads takes, beside those for files.
const ALLOWED_TO_UPLOAD: &[i64] = &[
    // A file without a name gets its name.
    libc::SYS_linkat,
    // The free space of the disk.
    libc::SYS_fstatfs,
    // Without a process that writes, the server brings files to the disk.
    libc::SYS_fdatasync,
];

/// Calls that helping takes, with any arguments: it reads what it was passed.
const ALLOWED_TO_HELPER: &[i64] = &[
    // Tasks with their descriptors, and answers.
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    // Files that were passed.
    libc::SYS_preadv,
    libc::SYS_fadvise64,
    libc::SYS_close,
    // Uploads are written and brought to the disk; last words on standard error.
    libc::SYS_fdatasync,
    libc::SYS_write,
    libc::SYS_writev,
    // Memory, signals, locks and the end, as for the server.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_sched_yield,
    libc::SYS_futex,
    libc::SYS_exit_group,
];

/// Calls that a helper takes, in addition, to open files: Landlock decides which. Passing them is in `conditional`.
const ALLOWED_TO_OPEN: &[i64] = &[libc::SYS_openat2];

/// The older names of some of them, that C libraries prefer where they exist.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLDER: &[i64] = &[
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rename,
    libc::SYS_unlink,
];
#[cfg(target_arch = "aarch64")]
const ALLOWED_OLDER: &[i64] = &[
    38, // renameat, which the libc crate leaves out
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ALLOWED_OLDER: &[i64] = &[];

/// Calls that only an intruder makes: for other programs, other processes' memory, the kernel itself.
const FATAL: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_move_mount,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
];

/// Calls that pass with some arguments only: the position of the argument, the bits that are compared, and
/// their value.
fn conditional(process: ConfinedProcess<'_>) -> Vec<(i64, u8, u32, u32)> {
    let any = u32::MAX;
    let mut calls = vec![
        // Memory that is executed stays as the loader made it.
        (libc::SYS_mmap, 2, libc::PROT_EXEC as u32, 0),
        (libc::SYS_mprotect, 2, libc::PROT_EXEC as u32, 0),
        // A listing looks at its descriptor's flags, a debug build at every descriptor it closes.
        (libc::SYS_fcntl, 1, any, libc::F_GETFL as u32),
        (libc::SYS_fcntl, 1, any, libc::F_GETFD as u32),
        // Aborting is a signal to oneself.
        (libc::SYS_tgkill, 0, any, std::process::id()),
    ];
    if let ConfinedProcess::Server {
        helpers,
        succession,
        ..
    } = process
    {
        // A response that the end of its connection would complete is cut short by a reset.
        calls.push((libc::SYS_setsockopt, 2, any, libc::SO_LINGER as u32));
        // Descriptors are passed to helpers, and come from them. Nothing else takes these calls.
        for &socket in helpers {
            calls.push((libc::SYS_sendmsg, 0, any, socket as u32));
            calls.push((libc::SYS_recvmsg, 0, any, socket as u32));
        }
        if !helpers.is_empty() {
            // The file system of a root that has taken the place of another.
            calls.push((libc::SYS_fstatfs, 0, 0, 0));
            // A file that came is used each time that its request is asked for.
            calls.push((libc::SYS_fcntl, 1, any, libc::F_DUPFD_CLOEXEC as u32));
        }
        if succession {
            // Listeners are passed to a newer process, whose socket has any number, once its user is known.
            calls.push((libc::SYS_sendmsg, 0, 0, 0));
            calls.push((libc::SYS_getsockopt, 2, any, libc::SO_PEERCRED as u32));
        }
    }
    if let ConfinedProcess::Helper { opens: true } = process {
        // Files are passed to the server, on the standard input.
        calls.push((libc::SYS_sendmsg, 0, any, libc::STDIN_FILENO as u32));
    }
    if let ConfinedProcess::Server { dials, .. } = process {
        calls.extend(sockets(dials).map(|family| (libc::SYS_socket, 0, any, family as u32)));
    }
    calls
}

/// Families of the sockets that are dialled.
fn sockets(dials: &DialRights) -> impl Iterator<Item = libc::c_int> {
    let ip = [libc::AF_INET, libc::AF_INET6].into_iter();
    let ip = ip.filter(|_| !dials.ports.is_empty());
    ip.chain(dials.unix.then_some(libc::AF_UNIX))
}

/// Puts both filters in force, for good.
pub(super) fn filter(process: ConfinedProcess<'_>, report: &mut Report) -> Result<(), Reason> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let fatal = compile(
        rules(FATAL),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        arch,
    )?;
    let mut allowed = match process {
        ConfinedProcess::Server { dials, uploads, .. } => {
            let mut allowed = rules(ALLOWED);
            allowed.extend(rules(ALLOWED_OLDER));
            if *dials != DialRights::default() {
                allowed.extend(rules(ALLOWED_TO_DIAL));
            }
            if uploads {
                allowed.extend(rules(ALLOWED_TO_UPLOAD));
            }
            allowed
        }
        ConfinedProcess::Helper { opens } => {
            let mut allowed = rules(ALLOWED_TO_HELPER);
            if opens {
                allowed.extend(rules(ALLOWED_TO_OPEN));
            }
            allowed
        }
    };
    for (call, argument, mask, value) in conditional(process) {
        // It passes with any arguments, for another reason.
        if allowed.get(&call).is_some_and(Vec::is_empty) {
            continue;
        }
        let bits = SeccompCmpOp::MaskedEq(mask.into());
        let condition =
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, bits, value.into())?;
        allowed
            .entry(call)
            .or_default()
            .push(SeccompRule::new(vec![condition])?);
    }
    let count = allowed.len();
    let eperm = SeccompAction::Errno(libc::EPERM as u32);
    let allowed = compile(allowed, eperm, SeccompAction::Allow, arch)?;
    // In this order: the second does not let a third be loaded.
    for program in [fatal, allowed] {
        match seccompiler::apply_filter(&program) {
            Err(seccompiler::Error::Seccomp(error)) if is_unknown(&error) => {
                report.missing.push(
                    "there is no seccomp here (a kernel built without CONFIG_SECCOMP_FILTER): \
                     every system call stays open"
                        .into(),
                );
                return Ok(());
            }
            applied => applied?,
        }
    }
    report
        .in_force
        .push(format!("seccomp lets {count} system calls pass"));
    Ok(())
}

fn rules(calls: &[i64]) -> BTreeMap<i64, Vec<SeccompRule>> {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matching: SeccompAction,
    arch: TargetArch,
) -> Result<BpfProgram, seccompiler::BackendError> {
    SeccompFilter::new(rules, otherwise, matching, arch)?.try_into()
}

/// Tells the answer of a kernel without seccomp, or without filters (seccomp(2)).
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL))
}
