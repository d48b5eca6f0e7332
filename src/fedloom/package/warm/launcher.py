"""Runs Python entry points inside a package's own environment, cold or forked.

This file is started by path with the environment's interpreter, so it uses the standard library
alone, imports as little of it as it can, and runs on Python 3.9. Two ways to call it:

``launcher.py record FILE TARGET ARGUMENTS…``
    runs TARGET as Python itself would, and as it ends writes to FILE which modules it imported.
    TARGET is a script, or ``-m`` and a module.

``launcher.py serve SOCKET``
    preloads modules and forks for each request. A message on the socket is one letter with file
    descriptors: ``P`` and a channel: preload; ``F``, a channel and the output: fork; ``Q``: end
    when all forks have ended. Channels carry lines of JSON. When the socket's other end is closed,
    the process ends with all its forks.

The serving process runs no code of the package: it imports only what lies in the standard library
or in site-packages.
"""

# Neither pathlib nor contextlib may be there before the script asks for them.
# ruff: noqa: PTH105, PTH109, PTH110, PTH112, PTH117, PTH118, PTH120, PTH123, PTH208, SIM105

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False  # the module `typing` is not imported for a script that may not need it
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any

__all__ = ["TYPE_CHECKING", "describe_modules", "find_libraries", "main", "record", "serve"]

_Module = type(sys)


# Running a target as Python itself would


def _replace_main() -> ModuleType:
    """Give the script a `__main__` of its own, as a fresh interpreter holds it."""
    module = _Module("__main__")
    module.__dict__.update(__annotations__={}, __builtins__=sys.modules["builtins"])
    sys.modules["__main__"] = module
    return module


def _find_absolute(path: str) -> str:
    """Make a path absolute as the interpreter does, which keeps `..` in it."""
    path = path[2:] if path.startswith("./") else path
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def _run_script(path: str) -> None:
    from _frozen_importlib_external import SourceFileLoader

    name = _find_absolute(path)
    try:
        with open(name, "rb") as file:
            source = file.read()
    except OSError as error:
        sys.exit(_refuse(f"can't open file {name!r}: [Errno {error.errno}] {error.strerror}"))
    module = _replace_main()
    module.__dict__.update(
        __file__=name, __cached__=None, __loader__=SourceFileLoader("__main__", name)
    )
    exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)


def _refuse(text: str) -> int:
    """Say why a script cannot be run, in the words of the interpreter."""
    print(f"{sys.executable}: {text}", file=sys.stderr)
    return 2


def _run_module(name: str) -> None:
    import runpy

    _replace_main()
    run_as_main: Callable[..., Any] = vars(runpy)["_run_module_as_main"]  # what `python -m` calls
    run_as_main(name)


def _run(target: list[str]) -> None:
    """Run a script or module; an exception is printed without this file's frames.

    Raises:
        SystemExit: always, or `KeyboardInterrupt`, which Python turns into a signal.
    """
    is_module = target[0] == "-m"
    sys.argv[:] = ["-m", *target[2:]] if is_module else target
    sys.path.insert(0, os.getcwd() if is_module else _find_script_folder(target[0]))
    try:
        _run_module(target[1]) if is_module else _run_script(target[0])
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        error.__traceback__ = trace
        sys.excepthook(type(error), error, trace)
        if isinstance(error, KeyboardInterrupt):
            sys.excepthook = lambda *_: None
            raise
        sys.exit(1)
    sys.exit(0)


def _find_script_folder(path: str) -> str:
    return os.path.dirname(os.path.realpath(path))


def _set_command(target: list[str]) -> None:
    """Hide this file from `sys.orig_argv`."""
    words = getattr(sys, "orig_argv", None)
    if words is not None:
        own = next((i for i, word in enumerate(words) if word == sys.argv[0]), 1)
        words[own:] = target


# Recording what a run imports


def find_libraries() -> list[str]:
    """Return the folders of the standard library and of installed packages."""
    import sysconfig

    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    site = sys.modules.get("site")
    if site is not None:
        folders.update(site.getsitepackages())
        if site.ENABLE_USER_SITE:
            folders.add(site.getusersitepackages())
    return sorted(os.path.join(folder, "") for folder in folders)


def describe_modules(before: frozenset[str], libraries: list[str]) -> dict[str, Any]:
    """Return the modules that were imported from the libraries, in order, and the names of others.

    Args:
        before: names of modules that were there before the target ran, which are left out.
        libraries: folders, as `find_libraries` returns them.
    """
    modules: list[str] = []
    own: list[str] = []
    for name in [name for name in sys.modules if name not in before]:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        origin = getattr(spec, "origin", None)
        if isinstance(origin, str) and os.path.isabs(origin):  # others are made by other modules
            (modules if origin.startswith(tuple(libraries)) else own).append(name)
    return {"modules": modules, "own": own, "libraries": libraries}


def _record_at_exit(path: str, known: Iterable[str], libraries: list[str] | None = None) -> None:
    """Write what was imported beside what is known as the process ends.

    Args:
        path: file to write.
        known: names of modules.
        libraries: found by a process that knows all it needs to, so that with nothing new nothing
            is written.
    """
    process, before = os.getpid(), frozenset(known)

    def write() -> None:
        if os.getpid() != process:
            return  # a process that the script forked
        found = describe_modules(before, libraries or find_libraries())
        if libraries and not found["modules"]:
            return
        import json

        with open(f"{path}.part", "w", encoding="utf-8") as file:
            json.dump(found, file)
        os.replace(f"{path}.part", path)

    atexit.register(write)  # the first to be registered is the last to be called


def record(path: str, target: list[str]) -> None:
    """Run a target in this process and record what it imports."""
    del sys.path[0]
    _set_command(target)
    _record_at_exit(path, sys.modules)
    _run(target)


# Serving requests


class _Server:
    """A process that has libraries loaded, and forks."""

    def __init__(self, control: int) -> None:
        import signal
        import socket

        self._control = socket.socket(fileno=control)
        self._children: dict[int, int] = {}
        self._unsafe = ""
        self._retired = False
        self.libraries = tuple(find_libraries())
        self._woken, self._waker = os.pipe()
        for end in (self._woken, self._waker):
            os.set_blocking(end, False)
        # The handler does nothing: that a child ended is read from the pipe.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)

    def serve(self) -> list[str]:
        """Answer until the socket is closed; in a forked child return the target to run."""
        import select

        control = self._control.fileno()
        while True:
            ready, _, _ = select.select([control, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if control in ready:
                target = self._answer()
                if target is not None:
                    return target
            if self._retired and not self._children:
                os._exit(0)

    def _answer(self) -> list[str] | None:
        import socket

        letter, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
        if not letter:
            self._end()
        if letter == b"Q":
            self._retired = True
            return None
        channel = descriptors[0]
        if letter == b"P":
            self._preload(_receive(channel))
            _send(channel, {"unsafe": self._unsafe})
            os.close(channel)
            return None
        return self._fork(channel, descriptors[1])

    def _end(self) -> None:
        """End with all that was forked: nobody is left to hear of it."""
        import signal

        for child in self._children:
            try:
                os.killpg(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os._exit(0)

    def _reap(self) -> None:
        for child in list(self._children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                channel = self._children.pop(child)
                _send(channel, {"status": os.waitstatus_to_exitcode(status)})
                os.close(channel)

    def _preload(self, request: dict[str, Any]) -> None:
        import gc
        import importlib
        import weakref

        for name in request["modules"]:
            if name not in sys.modules:
                try:
                    importlib.import_module(name)
                except (Exception, SystemExit):  # noqa: BLE001 - the script will meet it again
                    continue
        self._unsafe = self._find_hazard(request["own"])
        for finalizer in getattr(weakref.finalize, "_registry", {}):
            finalizer.atexit = False  # what libraries clean up is shared by all forks
        gc.collect()
        gc.freeze()  # what a child never looks at need not be copied for it

    def _find_hazard(self, own: list[str]) -> str:
        """Return why this process must not be forked, or nothing."""
        import threading

        shadowed = [name for name in own if name in sys.modules]
        if shadowed:
            return f"its module {shadowed[0]!r} has the name of an installed one"
        # Some libraries (OpenBLAS) end their threads when asked to fork, and start them again.
        if not self._try_fork():
            return "a library does not allow forks"
        tasks = "/proc/self/task"
        count = len(os.listdir(tasks)) if os.path.isdir(tasks) else 1
        if max(count, threading.active_count()) > 1:
            return "a library starts threads as it is imported"
        return ""

    def _try_fork(self) -> bool:
        child = os.fork()
        if child == 0:
            torch = sys.modules.get("torch")
            poisoned = torch is not None and torch.cuda._is_in_bad_fork()
            os._exit(1 if poisoned else 0)
        return os.waitpid(child, 0)[1] == 0

    def _fork(self, channel: int, output: int) -> list[str] | None:
        if self._unsafe:
            _send(channel, {"unsafe": self._unsafe})
        else:
            known = list(sys.modules)
            sys.stdout.flush()
            sys.stderr.flush()
            child = os.fork()
            if child == 0:
                return self._become(channel, output, known)
            self._children[child] = channel
            channel = -1
        for descriptor in (channel, output):
            if descriptor >= 0:
                os.close(descriptor)
        return None

    # In the child

    def _become(self, channel: int, output: int, known: list[str]) -> list[str]:
        """Turn a fresh fork into the process that a cold call would be."""
        import signal

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        self._control.close()
        for descriptor in (self._woken, self._waker, *self._children.values()):
            os.close(descriptor)
        for standard in (1, 2):
            os.dup2(output, standard)
        os.close(output)
        request = _receive(channel)
        shadowed = self._find_shadowed(request)
        _send(channel, {"unsafe": shadowed} if shadowed else {"process": os.getpid()})
        os.close(channel)
        if shadowed:
            os._exit(0)
        os.environ.clear()
        os.environ.update(request["variables"])
        os.chdir(request["folder"])
        target: list[str] = request["target"]
        _set_command(target)
        _renew_random_states()
        _record_at_exit(request["record"], known, list(self.libraries))
        return target

    def _find_shadowed(self, request: dict[str, Any]) -> str:
        """Return what is wrong if the script's folder holds a module that is loaded already."""
        script = os.path.join(request["folder"], request["target"][0])
        is_module = request["target"][0] == "-m"
        folder = request["folder"] if is_module else _find_script_folder(script)
        for entry in os.listdir(folder):
            name = entry[:-3] if entry.endswith(".py") else entry
            is_code = name != entry or os.path.exists(os.path.join(folder, entry, "__init__.py"))
            origin = getattr(sys.modules.get(name), "__file__", None)
            if is_code and origin and name != "__main__" and origin.startswith(self.libraries):
                return f"its module {name!r} has the name of an installed one"
        return ""


def _renew_random_states() -> None:
    """Give what a cold call would draw from the system to each fork anew.

    The module `random` does so by itself.
    """
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.seed()
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        vars(process)["ORIGINAL_DIR"] = os.getcwd()
        process.current_process().authkey = os.urandom(32)


def _receive(channel: int) -> dict[str, Any]:
    import json

    text = b""
    while not text.endswith(b"\n"):
        part = os.read(channel, 65536)
        if not part:
            os._exit(0) if not text else os._exit(1)
        text += part
    request: dict[str, Any] = json.loads(text)
    return request


def _send(channel: int, message: dict[str, Any]) -> None:
    import json

    try:
        os.write(channel, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        pass  # who asked has gone


def _finish(end: SystemExit | KeyboardInterrupt, libraries: tuple[str, ...]) -> None:
    """End as the interpreter would, without the quarter of a second that unloading torch takes.

    Threads are waited for, exit functions called, objects of the package's own modules ended
    (which closes their files), output written; only the libraries are not taken apart.
    """
    code = _decide_exit_code(end)
    threading = sys.modules["threading"]
    threading._shutdown()
    if threading.active_count() > 1:
        return  # only the interpreter can end with daemon threads at work
    vars(atexit)["_run_exitfuncs"]()
    for module in reversed(list(sys.modules.values())):
        names = vars(module) if isinstance(module, _Module) else globals()
        if names is not globals() and _is_own(module, libraries):
            _clear(names)
    sys.modules["gc"].collect()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            code = 120  # as the interpreter does
    _flush_c_streams()
    if isinstance(end, KeyboardInterrupt):
        import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)


def _decide_exit_code(end: SystemExit | KeyboardInterrupt) -> int:
    """Return what the shell gets; text that `sys.exit` was given is printed."""
    given = end.code if isinstance(end, SystemExit) else None
    if given is None or isinstance(given, int):
        return given or 0
    print(given, file=sys.stderr)
    end.code = 1  # type: ignore[union-attr]
    return 1


def _is_own(module: ModuleType, libraries: tuple[str, ...]) -> bool:
    origin = getattr(module, "__file__", None)
    return isinstance(origin, str) and os.path.isabs(origin) and not origin.startswith(libraries)


def _clear(names: dict[str, Any]) -> None:
    """Let go of a module's objects in the interpreter's order."""
    for private in (True, False):
        for name in list(names):
            if name != "__builtins__" and private == (name[:1] == "_" and name[1:2] != "_"):
                names[name] = None


def _flush_c_streams() -> None:
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        ctypes.CDLL(None).fflush(None)


def serve(control: int) -> None:
    """Preload and fork on request; what returns from the wait is a child with something to run."""
    import gc  # noqa: F401 - with what follows, loaded before the first fork
    import json  # noqa: F401
    import runpy  # noqa: F401
    import threading  # noqa: F401

    try:
        import ctypes  # noqa: F401
    except ImportError:
        pass  # then only what C code left in its own buffers is lost
    del sys.path[0]
    server = _Server(control)
    target = server.serve()
    try:
        _run(target)
    except (SystemExit, KeyboardInterrupt) as end:
        _finish(end, server.libraries)
        raise


def main(words: list[str]) -> None:
    """Do what the command line says; see the module's description."""
    if words[0] == "record":
        record(words[1], words[2:])
    else:
        serve(int(words[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
