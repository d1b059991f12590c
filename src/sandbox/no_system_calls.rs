//! For processors that seccompiler has no filters for.

use super::{ConfinedProcess, Reason, Report};

pub(super) fn filter(_: ConfinedProcess<'_>, report: &mut Report) -> Result<(), Reason> {
    report.missing.push(
        "there is no seccomp filter for this processor (x86-64, AArch64 and 64-bit RISC-V have \
         one): every system call stays open"
            .into(),
    );
    Ok(())
}
