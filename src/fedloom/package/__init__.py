"""Compute packages: a folder with a project file, an environment and commands, in any framework.

Names are imported when they are first used: a package's own scripts import
`fedloom.package.helpers`, and must not wait for more than that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedloom.package.archive import Archive, create_archive, digest_folder, extract_archive
    from fedloom.package.check import CheckStep, check_package
    from fedloom.package.contract import PackageUpdate, read_metrics, read_update, write_input
    from fedloom.package.environment import PackageEnvironment, prepare_environment
    from fedloom.package.inspect import PackageReport, inspect_package
    from fedloom.package.project import EntryPoint, Project, read_project
    from fedloom.package.run import EntryPointRunner, Finished, run_entry_point
    from fedloom.package.schema import package_schema
    from fedloom.package.warm import WarmRunner

__all__ = [
    "Archive",
    "CheckStep",
    "EntryPoint",
    "EntryPointRunner",
    "Finished",
    "PackageEnvironment",
    "PackageReport",
    "PackageUpdate",
    "Project",
    "WarmRunner",
    "check_package",
    "create_archive",
    "digest_folder",
    "extract_archive",
    "inspect_package",
    "package_schema",
    "prepare_environment",
    "read_metrics",
    "read_project",
    "read_update",
    "run_entry_point",
    "write_input",
]

_HOMES = {
    "archive": ("Archive", "create_archive", "digest_folder", "extract_archive"),
    "check": ("CheckStep", "check_package"),
    "contract": ("PackageUpdate", "read_metrics", "read_update", "write_input"),
    "environment": ("PackageEnvironment", "prepare_environment"),
    "inspect": ("PackageReport", "inspect_package"),
    "project": ("EntryPoint", "Project", "read_project"),
    "run": ("EntryPointRunner", "Finished", "run_entry_point"),
    "schema": ("package_schema",),
    "warm": ("WarmRunner",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, also those not imported yet."""
    return sorted(__all__)
