"""A policy of a user's own: a class in a Python file, and all that can be wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from inspect import isabstract, isclass
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from fedloom.errors import InputError
from fedloom.scheduling.policy import Policy

__all__ = ["load_policy", "make_policy"]


def load_policy(
    path: Path, class_name: str, taken: Container[str] = ()
) -> tuple[type[Policy], str]:
    """Return the policy class of a file, and what it is called.

    It is called by its own ``name``; where it has none, or has one of the box, by its class name.

    Args:
        path: the Python file; it is executed.
        class_name: which class.
        taken: names that it may not have.

    Raises:
        InputError: the file is missing or fails, or has no such policy.
    """
    module = _load_module(path)
    found: Any = getattr(module, class_name, None)
    own = [
        name
        for name, value in vars(module).items()
        if isclass(value) and issubclass(value, Policy) and value.__module__ == module.__name__
    ]
    if not isclass(found) or not issubclass(found, Policy) or found is Policy:
        raise InputError(
            f"{path}: no policy {class_name!r}; a policy is a subclass of "
            f"fedloom.scheduling.policy.Policy, and those here are: {', '.join(own) or 'none'}"
        )
    if isabstract(found):
        lacks = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise InputError(f"{path}: policy {class_name!r} is abstract: it lacks {lacks}")
    return found, _name_of(found, class_name, path, taken, is_own=class_name in own)


def make_policy(kind: type[Policy], label: str) -> Policy:
    """Return a new object of a policy class.

    Raises:
        InputError: the class needs arguments, its constructor fails, or makes something else.
    """
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    with _one_line(f"policy {label}: {kind.__name__}() fails: ", file):
        made: Any = kind()
    if not isinstance(made, Policy):
        raise InputError(f"policy {label}: {kind.__name__}() gives {made!r}, which is no policy")
    return made


def _name_of(
    kind: type[Policy], class_name: str, path: Path, taken: Container[str], *, is_own: bool
) -> str:
    name: str = vars(kind).get("name", class_name) if is_own else class_name
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 100:
        raise InputError(
            f"{path}: {class_name}.name is {name!r}; give a name of 1 to 100 printable characters"
        )
    if name in taken:
        name = class_name
    if is_own:
        kind.name = name  # messages and schedules call it by this
    return name


class _Uncached(SourceFileLoader):
    """Compiles anew each time and leaves nothing beside the file.

    A cached form counts as current when size and second agree, which an edited policy's may.
    """

    def path_stats(self, path: Any) -> Any:
        raise OSError(f"{path} is not cached")


def _load_module(path: Path) -> ModuleType:
    """Execute a user's file; what goes wrong in it is reported with its line."""
    if not path.is_file():
        raise InputError(f"--policy: there is no file {path}")
    digest = blake2b(str(path.resolve()).encode(), digest_size=6).hexdigest()
    name = f"fedloom_policy_{digest}"
    spec = spec_from_file_location(name, path, loader=_Uncached(name, str(path)))
    assert isinstance(spec, ModuleSpec)
    assert spec.loader is not None
    module = module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses of the file look themselves up there
    try:
        with _one_line(f"{path}: ", str(path)):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


@contextmanager
def _one_line(beginning: str, file: str | None) -> Iterator[None]:
    """Tell what a user's code raises in one line, with the place; also that it wants to exit."""
    try:
        yield
    except (Exception, SystemExit) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        text = " ".join(f"{type(error).__name__}: {said}".split()).removesuffix(":")
        raise InputError(f"{beginning}{text}{_place(error, file)}") from error


def _place(error: BaseException, file: str | None) -> str:
    """Return the innermost line of the file that led to an error; "" if none of it had run."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f" ({error.filename}:{error.lineno})"
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({file}:{lines[-1]})" if lines else ""
