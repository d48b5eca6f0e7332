"""Where packages come from, on machines that say so to pip only.

uv does not read pip's settings. What they say about indexes is passed on to it in environment
variables, which end with the process: no address is written to a file or shown.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from configparser import Error as ConfigError
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_config_path

from fedloom.errors import PackageError

__all__ = ["IndexSettings", "read_index_settings"]


@dataclass(frozen=True)
class IndexSettings:
    """What uv is to be told.

    Attributes:
        variables: environment variables for uv.
        arguments: options for ``uv pip install`` that have no variable.
        addresses: what must not be shown, because an address may hold a password.
    """

    variables: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def _by_blanks(value: str) -> str:
    return " ".join(value.split())


def _by_commas(value: str) -> str:
    return ",".join(value.split())


_ROUTES: tuple[tuple[str, str, tuple[str, ...], Callable[[str], str]], ...] = (
    ("index-url", "UV_DEFAULT_INDEX", ("UV_INDEX_URL",), str.strip),
    ("extra-index-url", "UV_EXTRA_INDEX_URL", ("UV_INDEX",), _by_blanks),
    ("find-links", "UV_FIND_LINKS", (), _by_commas),
    ("trusted-host", "UV_INSECURE_HOST", (), _by_blanks),
    ("cert", "SSL_CERT_FILE", (), str.strip),
    ("default-timeout", "UV_HTTP_TIMEOUT", (), str.strip),
    ("timeout", "UV_HTTP_TIMEOUT", (), str.strip),
    ("proxy", "ALL_PROXY", ("HTTPS_PROXY", "https_proxy", "all_proxy"), str.strip),
)
"""pip's setting, uv's variable, others that stand for the same, and how to write its value."""

_SECRETS = ("index-url", "extra-index-url", "find-links", "proxy")
_TRUE = ("1", "true", "yes", "on", "y", "t")


def read_index_settings(environment: Mapping[str, str]) -> IndexSettings:
    """Translate pip's settings, from its files and ``PIP_…`` variables, for uv.

    A variable of uv's own that is set wins. pip takes the best version from all indexes, where uv
    takes the first index that knows a name: with an additional index from pip, uv does as pip.

    Raises:
        PackageError: one of pip's files cannot be read.
    """
    settings = _read_pip_settings(environment)
    variables: dict[str, str] = {}
    for setting, variable, others, write in _ROUTES:
        value = settings.get(setting, "").strip()
        if value and not any(environment.get(name) for name in (variable, *others)):
            variables[variable] = write(value)
    if "UV_EXTRA_INDEX_URL" in variables and not environment.get("UV_INDEX_STRATEGY"):
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    offered = settings.get("no-index", "").strip().lower() in _TRUE
    addresses = [part for name in _SECRETS for part in settings.get(name, "").split()]
    return IndexSettings(variables, ("--no-index",) if offered else (), tuple(addresses))


def _read_pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings: its files in their order, then the environment."""
    settings: dict[str, str] = {}
    for path in _list_files(environment):
        settings |= _read_file(path)
    prefix = "PIP_"
    for name, value in environment.items():
        if name.startswith(prefix) and value:
            settings[name.removeprefix(prefix).lower().replace("_", "-")] = value
    return settings


def _list_files(environment: Mapping[str, str]) -> list[Path]:
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    shared = environment.get("XDG_CONFIG_DIRS", "") or "/etc/xdg"
    files = [Path(folder) / "pip" / "pip.conf" for folder in shared.split(os.pathsep) if folder]
    files += [
        Path("/etc/pip.conf"),
        Path.home() / ".pip" / "pip.conf",
        user_config_path("pip", appauthor=False, roaming=True) / "pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    return [*files, Path(chosen)] if chosen else files


def _read_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    parser = RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        # Only the kind of the error, because its text may repeat a line with a password.
        raise PackageError(
            f"pip's settings in {path} cannot be read: {type(error).__name__}"
        ) from None
    sections = [dict(parser[name]) for name in ("global", "install") if parser.has_section(name)]
    merged = {key: value for section in sections for key, value in section.items()}
    return {key.replace("_", "-"): value for key, value in merged.items()}
