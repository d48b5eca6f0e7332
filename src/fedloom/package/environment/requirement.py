"""One line of ``dependencies``: a PEP 508 requirement, or an option as in requirements files."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

__all__ = ["SHIMMED", "RequirementLine", "read_requirement"]

SHIMMED = ("fedn", "scaleout", "scaleoututil")
"""Distributions that are never fetched, because our own helpers answer to their names."""

_COMMENT = re.compile(r"(^|\s+)#.*$")
_FILE_OPTION = re.compile(r"(-r|--requirement|-c|--constraint)(?:\s+|=|(?<=-[rc]))(?P<file>.+)")
_EDITABLE = re.compile(r"(-e|--editable)\b")
_OPTIONS_AFTER = re.compile(r"\s--\w")
_WHEEL_OR_SOURCE = (".whl", ".tar.gz", ".zip")


@dataclass(frozen=True)
class RequirementLine:
    """A line for uv.

    Attributes:
        line: the requirement in one spelling, without comment.
        files: the local files that it names and, for a requirements file, those named in there.
    """

    line: str
    files: tuple[Path, ...] = ()


def read_requirement(text: str, folder: Path) -> RequirementLine | None:
    """Return what uv is to be told, or None for an empty line or one of `SHIMMED`.

    Args:
        text: the line, perhaps with a comment.
        folder: where relative paths start.

    Raises:
        ValueError: it is no requirement, names a file that is not there, or a local folder.
    """
    line = _COMMENT.sub("", text).strip()
    if not line:
        return None
    if _EDITABLE.match(line):
        raise ValueError(_FOLDER_REFUSED)
    if option := _FILE_OPTION.fullmatch(line):
        named = folder / shlex.split(option["file"])[0]
        return RequirementLine(line, tuple(_follow(named, set())))
    if line.startswith("-"):
        return RequirementLine(line)
    if _is_address(line):
        return None if _repository(line) in SHIMMED else _read_address(line, folder)
    return _read_named(line)


_FOLDER_REFUSED = (
    "a local folder is refused because changes in it could not be noticed: name a wheel, or put "
    "its modules beside the scripts, which find them there"
)


def _is_address(line: str) -> bool:
    return not re.match(r"[\w.-]+(\[[^]]*\])?\s*@", line) and (
        "://" in line.split(";")[0] or line[0] in "./" or line.endswith(_WHEEL_OR_SOURCE)
    )


def _read_address(line: str, folder: Path) -> RequirementLine:
    if "://" in line:
        return RequirementLine(line)
    path = folder / line.split(";")[0].strip()
    if path.is_dir():
        raise ValueError(_FOLDER_REFUSED)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return RequirementLine(line, (path,))


def _read_named(line: str) -> RequirementLine | None:
    options = _OPTIONS_AFTER.search(line)
    end = options.start() if options else len(line)
    try:
        requirement = Requirement(line[:end])
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if canonicalize_name(requirement.name) in SHIMMED:
        return None
    return RequirementLine(f"{requirement}{line[end:]}")


def _repository(address: str) -> str:
    """Return the distribution that the address of a repository or archive most likely holds."""
    if egg := re.search(r"#(?:.*&)?egg=([\w.-]+)", address):
        return canonicalize_name(egg[1])
    last = re.split(r"[#;?]", address)[0].strip().rstrip("/").rsplit("/", 1)[-1]
    return canonicalize_name(re.split(r"\.git\b|@", last)[0])


def _follow(path: Path, seen: set[Path]) -> list[Path]:
    """Return a requirements or constraints file and all those that it names in turn."""
    if path in seen:
        return []
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    seen.add(path)
    found = [path]
    for line in path.read_text("utf-8").splitlines():
        if option := _FILE_OPTION.fullmatch(_COMMENT.sub("", line).strip()):
            found += _follow(path.parent / shlex.split(option["file"])[0], seen)
    return found
