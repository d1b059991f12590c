//! For processors that seccompiler has no filters for.

use super::{Reason, Report};

pub(super) fn filter(report: &mut Report) -> Result<(), Reason> {
    report.missing.push(
        "there is no seccomp filter for this processor (x86-64, AArch64 and 64-bit RISC-V have \
         one): every system call stays open"
            .into(),
    );
    Ok(())
}
