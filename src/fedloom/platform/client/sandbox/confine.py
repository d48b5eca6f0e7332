"""Confines the process that runs it, and executes a command in its place.

``confine.py SPEC COMMAND ARGUMENTS…``: SPEC is a JSON object, as `SandboxGuard` writes it. The file
is started by path with the node's own interpreter, so it uses the standard library alone. It ends
with 125 and one line where a step of SPEC cannot be done: nothing runs less confined than asked.

What each step is for:

- *User, mount, IPC and network namespace*: no network but a loopback of its own; all files are
  read-only but those under `writable`; what is `hidden` is empty, but for what `shown` brings back.
  The capabilities that come with it are given up, and no further namespace can be made.
- *Landlock*: the same for writing, where there are no namespaces; no signals to processes outside.
- *seccomp*: no sockets but those within this machine, where there are no namespaces.
- *Resource limits*: memory and size of files for each process; the number of processes, where the
  namespace counts them (not for root).
"""

# Neither pathlib nor contextlib: this starts before every cold call.
# ruff: noqa: PTH103, PTH109, PTH110, PTH112, PTH120, PTH123

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["TYPE_CHECKING", "confine", "main"]

_NEWNS, _NEWIPC, _NEWUSER, _NEWNET = 0x20000, 0x08000000, 0x10000000, 0x40000000
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 0x40000
_RDONLY, _NOSUID_NODEV = 0x1, 0x2 | 0x4
_RECURSIVE = 0x8000
_AT_FDCWD = -100
_MOUNT_SETATTR, _CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 442, 444, 445, 446
_NO_NEW_PRIVS, _SET_SECCOMP, _CAPBSET_DROP, _CAP_AMBIENT = 38, 22, 24, 47
_CAP_AMBIENT_CLEAR = 4

_CONFINED_BADLY, _NOT_EXECUTABLE, _NOT_FOUND = 125, 126, 127

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _prctl(option: int, *values: int) -> int:
    numbers = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return int(_libc.prctl(option, *numbers))


def _syscall(number: int, *values: Any) -> int:
    return int(_libc.syscall(ctypes.c_long(number), *values))


# Namespaces


def _enter_namespaces(network: bool) -> None:
    user, group = os.geteuid(), os.getegid()
    flags = _NEWUSER | _NEWNS | _NEWIPC | (0 if network else _NEWNET)
    _check(_libc.unshare(flags), "new namespaces")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    _check(_libc.mount(b"none", b"/", None, _REC | _PRIVATE, None), "private mounts")


def _raise_loopback() -> None:
    """Let programs talk to themselves: the new network has a loopback, which is down."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        fcntl.ioctl(end, 0x8914, struct.pack("16sH14x", b"lo", 0x1))  # SIOCSIFFLAGS, IFF_UP


def _bind(source: str, target: str) -> None:
    done = _libc.mount(source.encode(), target.encode(), None, _BIND | _REC, None)
    _check(done, f"showing {target}")


def _hide(path: str) -> None:
    if os.path.isdir(path):
        kind = b"mode=700,size=64k"
        done = _libc.mount(b"none", path.encode(), b"tmpfs", _NOSUID_NODEV, kind)
        _check(done, f"hiding {path}")
    else:
        _bind("/dev/null", path)


def _show(path: str, held: int, hidden: list[str]) -> None:
    """Bring back a path, where something that lies above it was hidden."""
    source = f"/proc/self/fd/{held}"
    if any(path.startswith(f"{above}/") for above in hidden):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(source):
            os.makedirs(path, exist_ok=True)
        else:
            open(path, "a", encoding="ascii").close()
    _bind(source, path)


def _arrange_files(spec: dict[str, Any]) -> None:
    """Make all read-only, hide what is not for the command, show what is."""
    folder = os.getcwd()
    writable, hidden = spec["writable"], [path for path in spec["hidden"] if os.path.exists(path)]
    shown = {path: os.open(path, os.O_PATH) for path in {*spec["shown"], *writable}}
    for path in sorted({*hidden, *shown}, key=lambda path: path.count("/")):
        if path in shown:
            _show(path, shown[path], hidden)
        elif os.path.exists(path):  # and is not hidden already with what lies above it
            _hide(path)
    for held in shown.values():
        os.close(held)
    if os.path.isdir("/dev/shm"):
        size = f"mode=1777,size={spec['shared_bytes']}".encode()
        done = _libc.mount(b"none", b"/dev/shm", b"tmpfs", _NOSUID_NODEV, size)
        _check(done, "memory that processes share")
    _set_read_only("/", clear=False, flags=_RECURSIVE)
    for path in [*writable, *(["/dev/shm"] if os.path.isdir("/dev/shm") else [])]:
        _set_read_only(path, clear=True, flags=0)
    os.chdir(folder)  # as it is now, not as it was below the new mounts


def _set_read_only(path: str, *, clear: bool, flags: int) -> None:
    change = struct.pack("QQQQ", 0 if clear else _RDONLY, _RDONLY if clear else 0, 0, 0)
    numbers = (ctypes.c_int(_AT_FDCWD), path.encode(), ctypes.c_uint(flags))
    done = _syscall(_MOUNT_SETATTR, *numbers, change, ctypes.c_size_t(len(change)))
    _check(done, f"{'writing in' if clear else 'protecting'} {path}")


def _forbid_namespaces() -> None:
    """Keep the command in these namespaces, by which what it leaves running is found."""
    try:
        with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:
            file.write("0")
    except OSError:
        return  # a sealed /proc; nothing else depends on it


def _drop_capabilities() -> None:
    _prctl(_CAP_AMBIENT, _CAP_AMBIENT_CLEAR)
    for capability in range(64):
        if _prctl(_CAPBSET_DROP, capability) < 0:
            break  # the last one that this kernel knows


# Landlock

_WRITE_RIGHTS = (1 << 1) | sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE, _WRITE_FILE = 1 << 13, 1 << 14, 1 << 1
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2


def _restrict_writing(writable: list[str]) -> None:
    version = _check(_syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1), "Landlock")
    rights = _WRITE_RIGHTS
    rights |= _REFER if version >= 2 else 0
    rights |= _TRUNCATE if version >= 3 else 0
    scoped = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL if version >= 6 else 0
    wanted = struct.pack("QQQ", rights, 0, scoped)
    wanted = wanted[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = _syscall(_CREATE_RULESET, wanted, ctypes.c_size_t(len(wanted)), 0)
    _check(rules, "Landlock")
    for path, allowed in [
        *((path, rights) for path in [*writable, "/dev/shm"]),
        ("/dev", _WRITE_FILE | (rights & _TRUNCATE)),
    ]:
        if os.path.isdir(path):
            held = os.open(path, os.O_PATH | os.O_DIRECTORY)
            rule = struct.pack("=Qi", allowed, held)
            _check(_syscall(_ADD_RULE, rules, 1, rule, 0), f"Landlock for {path}")
            os.close(held)
    _check(_syscall(_RESTRICT_SELF, rules, 0), "Landlock")
    os.close(rules)


# seccomp

_MACHINES = {"x86_64": (0xC000003E, 41, 0x40000000), "aarch64": (0xC00000B7, 198, 0)}
"""By machine: its audit number, its call `socket`, and where a second table of calls begins."""

_IO_URING_SETUP = 425
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # EACCES
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06


def _forbid_sockets() -> None:
    """Refuse all sockets but those between processes of one machine."""
    audit, call_socket, second_table = _MACHINES[os.uname().machine]
    steps = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 0, 7, audit),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 5, 0, second_table or 0xFFFFFFFF),
        (_EQUAL, 4, 0, _IO_URING_SETUP),  # by which sockets can be made as well
        (_EQUAL, 0, 2, call_socket),
        (_LOAD, 0, 0, 16),
        (_EQUAL, 0, 1, 1),  # AF_UNIX
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    held = ctypes.create_string_buffer(program)
    _check(_prctl(_SET_SECCOMP, 2, ctypes.addressof(held)), "seccomp")


# All of it


def _limit(kind: int, value: int | None) -> None:
    if value is not None:
        most = resource.getrlimit(kind)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (value, value))


def confine(spec: dict[str, Any]) -> None:
    """Confine this process.

    Args:
        spec: see `SandboxGuard`.

    Raises:
        OSError: a step cannot be done here.
    """
    if spec["namespaces"]:
        _enter_namespaces(spec["network"])
        if not spec["network"]:
            _raise_loopback()
        _write_note(spec["note"])
        _forbid_namespaces()
        _arrange_files(spec)
        _limit(resource.RLIMIT_NPROC, spec["processes"])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, spec["memory_bytes"])
    _limit(resource.RLIMIT_FSIZE, spec["file_bytes"])
    _drop_capabilities()
    _check(_prctl(_NO_NEW_PRIVS, 1), "no new privileges")
    if spec["landlock"]:
        _restrict_writing(spec["writable"])
    if spec["seccomp"] and not spec["network"]:
        _forbid_sockets()


def _write_note(path: str | None) -> None:
    """Note the number of this process, and when it started, since numbers are used again."""
    if path is not None:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            started = file.read().rpartition(")")[2].split()[19]
        with open(path, "a", encoding="ascii") as file:
            file.write(f"{os.getpid()} {started}\n")


def _execute(command: list[str]) -> int:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # this interpreter ignores them
    try:
        os.execvp(command[0], command)
    except FileNotFoundError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_EXECUTABLE


def main(words: list[str]) -> int:
    """Do what the command line says; see the module's description."""
    try:
        confine(json.loads(words[0]))
    except (OSError, LookupError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        print(f"this call cannot be confined: {reason}", file=sys.stderr)
        return _CONFINED_BADLY
    return _execute(words[1:])


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
