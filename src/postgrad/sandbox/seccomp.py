"""The kernel rule (seccomp BPF) that lets a program in the sandbox start threads but no further process.

A limit on processes would not bind where postgrad runs as root, and without one a program could take its memory many
times.
"""

from __future__ import annotations

import platform
import struct

_ARCHITECTURES = {
    # name: (audit number, clone, clone3, those that only start processes)
    "x86_64": (0xC000003E, 56, 435, (57, 58)),  # fork, vfork
    "aarch64": (0xC00000B7, 220, 435, ()),
}
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # EPERM, ENOSYS
_CLONE_THREAD = 0x00010000
_OTHER_ABI = 0x40000000


def one_process_filter() -> bytes:
    """The compiled rule for this processor; empty where it is not known (then only memory for each process is
    limited)."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return b""
    architecture, clone, clone3, starters = known
    tests = [(clone3, "unknown"), *((number, "refuse") for number in starters), (clone, "clone")]
    # places: 0 load arch, 1 compare, 2 load number, 3 other ABI, then one place a test, allow, and the ends
    first = 4
    ends = {"allow": first + len(tests)}
    ends["clone"] = ends["allow"] + 1
    ends["refuse"], ends["unknown"], ends["kill"] = ends["clone"] + 2, ends["clone"] + 3, ends["clone"] + 4
    code = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 0, ends["kill"] - 2, architecture),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, ends["kill"] - 4, 0, _OTHER_ABI),
    ]
    for place, (number, end) in enumerate(tests, start=first):
        code.append((_EQUAL, ends[end] - place - 1, 0, number))
    code += [
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, 16),  # the flags
        (_ANY_BIT, 1 + 2, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _UNKNOWN),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in code)
