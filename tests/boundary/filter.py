#!/usr/bin/env python3
"""Runs a program under a seccomp filter that kills it on socket(2), connect(2) and what stands in for them.

usage: filter.py PROGRAM ARGUMENT...

The filter is inherited by every child and cannot be taken off. Linux on x86-64 and arm64; Python 3 and nothing else.
"""
import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_GREATER_OR_EQUAL, RETURN = 0x20, 0x15, 0x35, 0x06
# Offsets in struct seccomp_data.
NUMBER, ARCHITECTURE = 0, 4

# machine: (audit architecture, numbers of socket, connect, io_uring_setup)
MACHINES = {
    "x86_64": (0xC000003E, (41, 42, 425)),
    "aarch64": (0xC00000B7, (198, 203, 425)),
}
# System calls of the x32 convention on x86-64 have this bit: another way to the same doors.
X32 = 0x40000000


def program(machine):
    architecture, numbers = MACHINES[machine]
    kill = struct.pack("HBBI", RETURN, 0, 0, KILL_PROCESS)
    lines = [
        struct.pack("HBBI", LOAD_WORD, 0, 0, ARCHITECTURE),
        struct.pack("HBBI", JUMP_IF_EQUAL, 1, 0, architecture),
        kill,
        struct.pack("HBBI", LOAD_WORD, 0, 0, NUMBER),
        struct.pack("HBBI", JUMP_IF_GREATER_OR_EQUAL, 0, 1, X32),
        kill,
    ]
    for number in numbers:
        lines += [struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, number), kill]
    lines.append(struct.pack("HBBI", RETURN, 0, 0, ALLOW))
    return b"".join(lines), len(lines)


def install():
    libc = ctypes.CDLL(None, use_errno=True)
    code, length = program(platform.machine())
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    filter_ = Program(length, ctypes.addressof(buffer))
    zero = ctypes.c_ulong(0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filter_), zero, zero) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    install()
    os.execvp(sys.argv[1], sys.argv[1:])
