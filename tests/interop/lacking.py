#!/usr/bin/env python3
"""Runs a program as on a kernel that lacks some system calls: a filter (seccomp(2)) answers them with an error.

    lacking.py CALL[=ERROR]... -- PROGRAM ARGUMENT...

CALL is a name of `CALLS`, ERROR the name of an errno, ENOSYS unless named. A call that is answered for some of
its arguments only has a name of its own there, such as `preadv2-nowait`. `--no-entropy SECONDS` before them is a
machine that has just booted: getrandom(2) waits that long, or says EAGAIN where its caller would not wait.
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import time

# Numbers of x86-64; those above 424 are equal on all architectures. With an argument's position, its bits and
# their value: only such calls.
CALLS = {
    "sendfile": (40,),
    "madvise": (28,),
    "socket-inet6": (41, 0, 0xffffffff, 10),
    "prctl-no-new-privs": (157, 0, 0xffffffff, 38),
    "prctl-seccomp": (157, 0, 0xffffffff, 22),
    "fadvise64": (221,),
    "accept4": (288,),
    "renameat2": (316,),
    "seccomp": (317,),
    "getrandom": (318,),
    "preadv2": (327,),
    "preadv2-nowait": (327, 5, 8, 8),
    "statx": (332,),
    "openat2": (437,),
    "landlock_create_ruleset": (444,),
    "landlock_add_rule": (445,),
    "landlock_restrict_self": (446,),
}

# linux/prctl.h, linux/seccomp.h.
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
RET_ALLOW = 0x7fff0000
RET_ERRNO = 0x00050000
RET_USER_NOTIF = 0x7fc00000
SYS_SECCOMP = 317
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1
SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100
SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101

# linux/random.h.
GRND_NONBLOCK = 1
GRND_INSECURE = 4

# linux/bpf_common.h: load a word, jump if equal, combine with a constant, return.
LOAD = 0x20
JUMP_IF_EQUAL = 0x15
AND = 0x54
RETURN = 0x06


def program(wanted):
    """The filter, as the kernel runs it: of each call its number at 0, its arguments from 16 on."""
    steps = []
    for name, answer in wanted:
        number, *argument = CALLS[name]
        refusal = (RETURN, 0, 0, RET_ERRNO | answer)
        if argument:
            at, bits, value = argument
            steps += [(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 4, number), (LOAD, 0, 0, 16 + 8 * at), (AND, 0, 0, bits),
                      (JUMP_IF_EQUAL, 0, 1, value), refusal]
        else:
            steps += [(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, number), refusal]
    steps.append((RETURN, 0, 0, RET_ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def install(wanted):
    """Puts the filter in force, for this process and its children."""
    libc = ctypes.CDLL(None, use_errno=True)
    steps = program(wanted)
    buffer = ctypes.create_string_buffer(steps, len(steps))
    head = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(buffer))
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0)):
        if libc.prctl(*arguments) != 0:
            sys.exit(f"prctl{arguments[:2]}: {os.strerror(ctypes.get_errno())}")


def without_entropy(seconds):
    """Has a child of this process answer the calls of getrandom(2) that it and its other children make."""
    ours, childs = socket.socketpair()
    if os.fork() == 0:
        _, [listener], _, _ = socket.recv_fds(childs, 1, 1)
        ours.close()
        childs.close()
        answer_getrandom(listener, time.monotonic() + seconds)
        os._exit(0)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    [number] = CALLS["getrandom"]
    steps = [(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, RET_USER_NOTIF), (RETURN, 0, 0, RET_ALLOW)]
    steps = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(steps, len(steps))
    head = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(buffer))
    listener = libc.syscall(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, head)
    if listener < 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    socket.send_fds(ours, [b"x"], [listener])
    os.close(listener)


def answer_getrandom(listener, ready):
    """Answers the calls until the processes that make them have ended."""
    waiting = []
    poll = select.poll()
    poll.register(listener, select.POLLIN)

    def answer(call, error, flags):
        try:
            fcntl.ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, struct.pack("=QqiI", call, 0, error, flags))
        except FileNotFoundError:
            pass  # its process was ended

    while True:
        now = time.monotonic()
        if now >= ready:
            for call in waiting:
                answer(call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE)
            waiting.clear()
        for _, event in poll.poll(20):
            if event & select.POLLHUP:
                return
            notice = bytearray(80)
            try:
                fcntl.ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notice)
            except FileNotFoundError:
                continue
            [call] = struct.unpack_from("=Q", notice)
            [flags] = struct.unpack_from("=Q", notice, 32 + 8 * 2)
            if now >= ready or flags & GRND_INSECURE:
                answer(call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE)
            elif flags & GRND_NONBLOCK:
                answer(call, -errno.EAGAIN, 0)
            else:
                waiting.append(call)


def main():
    """Runs the program in the place of this one."""
    if platform.machine() != "x86_64":
        sys.exit("the numbers of system calls are those of x86-64")
    end = sys.argv.index("--")
    words = sys.argv[1:end]
    if words and words[0] == "--no-entropy":
        without_entropy(float(words[1]))
        words = words[2:]
    wanted = []
    for word in words:
        name, _, answer = word.partition("=")
        wanted.append((name, getattr(errno, answer or "ENOSYS")))
    install(wanted)
    command = sys.argv[end + 1:]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
