#!/usr/bin/env python3
"""Runs a command under valgrind in which the kernel does not tell the process its auxiliary vector by prctl.

    tests/bench/under_valgrind.py [VALGRIND OPTION...] COMMAND...

valgrind (3.19, and others of before Linux 6.4) knows nothing of PR_GET_AUXV and passes it on. What the kernel then
tells names the real vDSO, which valgrind has hidden from the process, and rustix, which looks at it, is ended by
SIGSEGV. With an error it reads /proc/self/auxv instead, which valgrind makes up. The allocator's settings are those
that calmd starts itself again with, which valgrind would not follow.
"""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
PR_GET_AUXV = 0x41555856
PRCTL = {"x86_64": 157, "aarch64": 167}[os.uname().machine]
EINVAL = 22
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
# Loads a word of struct seccomp_data: the number of the call at 0, its first argument's lower half at 16.
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
PROGRAM = [
    (LOAD, 0, 0, 0),
    (EQUAL, 0, 3, PRCTL),
    (LOAD, 0, 0, 16),
    (EQUAL, 0, 1, PR_GET_AUXV),
    (RETURN, 0, 0, SECCOMP_RET_ERRNO | EINVAL),
    (RETURN, 0, 0, SECCOMP_RET_ALLOW),
]
TUNABLES = "glibc.malloc.tcache_count=0:glibc.malloc.mmap_threshold=262144"


class Filter(ctypes.Structure):
    """struct sock_fprog"""
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in PROGRAM)
    told = Filter(len(PROGRAM), program)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(told), 0, 0):
        raise SystemExit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.environ.setdefault("GLIBC_TUNABLES", TUNABLES)
    os.execvp("valgrind", ["valgrind", *sys.argv[1:]])


if __name__ == "__main__":
    main()
