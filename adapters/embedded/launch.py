"""Becomes another program that cannot outlive the process that started it.

``python -I -S launch.py PARENT_PID ORPHAN_SIGNAL UID GID PROGRAM ARGUMENT...``; UID -1 keeps the identity.

Linux sends ORPHAN_SIGNAL to the program when the *thread* that started it ends. Changing the identity clears that
request, so it is made last. A program whose parent went before it could ask is never begun.

A program that refuses to run as root (Postgres) runs as UID and keeps, as its only capability, the right to pass
directories that belong to root: a data directory or a virtual environment in its home stays reachable.
"""

import contextlib
import ctypes
import os
import struct
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1


def _call(libc: ctypes.CDLL, name: str, *arguments: object) -> None:
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _prctl(libc: ctypes.CDLL, option: int, first: int, second: int = 0) -> None:
    _call(libc, "prctl", option, *(ctypes.c_ulong(value) for value in (first, second, 0, 0)))


def _become(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """Change the identity. Without the capability (a stripped container) it goes on: paths may be open to all."""
    with contextlib.suppress(OSError):
        _prctl(libc, _PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    with contextlib.suppress(OSError):
        mask = 1 << _CAP_DAC_OVERRIDE
        header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
        sets = struct.pack("=6I", mask, mask, mask, 0, 0, 0)
        _call(libc, "capset", header, sets)
        _prctl(libc, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def main() -> None:
    """Replace this process; exits with 127 and one line on stderr when that cannot be done."""
    parent, orphan_signal, uid, gid = (int(word) for word in sys.argv[1:5])
    program = sys.argv[5:]
    try:
        linux = sys.platform == "linux"
        libc = ctypes.CDLL(None, use_errno=True)
        if uid >= 0:
            if linux:
                _become(libc, uid, gid)
            else:
                os.setgid(gid)
                os.setuid(uid)
        if linux:
            _prctl(libc, _PR_SET_PDEATHSIG, orphan_signal)
        if os.getppid() == parent:
            os.execv(program[0], program)  # noqa: S606 - becoming the program is the point
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error}\n")
        raise SystemExit(127) from None


if __name__ == "__main__":
    main()
