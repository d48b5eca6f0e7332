"""The folders of one client on this machine: a private copy of a package, and what is around it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedloom.errors import PackageError
from fedloom.files import output_errors
from fedloom.package.archive import digest_folder
from fedloom.package.content import list_content
from fedloom.package.extract import extract_archive
from fedloom.package.project import Project, find_project_folder, read_project

__all__ = ["ClientFolder", "PackageCopy", "copy_package"]

_DATA_VARIABLES = ("FEDN_DATA_PATH", "SCALEOUT_DATA_PATH")
_SPLIT_VARIABLES = ("FEDN_NUM_DATA_SPLITS", "SCALEOUT_NUM_DATA_SPLITS")

_DATA_FOLDER = "data"
"""The folder beside the package in which the documented layout keeps data."""


@dataclass(frozen=True)
class PackageCopy:
    """A package as it was when it was copied; what its user changes later does not reach it.

    Attributes:
        project: the copy, in a folder of its own.
        name: what records call it: its folder's name; that of the folder above for ``client``.
        digest: the SHA-256 that its archive has.
        left_out: files and folders that ignore files keep out of packages, and so out of here.
        data_folder: the user's folder ``data`` beside the package, or None.
    """

    project: Project
    name: str
    digest: str
    left_out: tuple[str, ...]
    data_folder: Path | None


@dataclass(frozen=True)
class ClientFolder:
    """The private project folder of one client, with its copy of the package inside.

    Attributes:
        project: the folder that the package sees as ``..``.
        package: the client's working folder.
        index: of the client, counted from 0.
        clients: how many there are.
        seed: of the run.
    """

    project: Path
    package: Path
    index: int
    clients: int
    seed: int

    @classmethod
    def make(
        cls, copy: PackageCopy, project: Path, *, index: int, clients: int, seed: int
    ) -> ClientFolder:
        """Copy the package for a client, in place of what an earlier attempt left.

        Raises:
            OutputError: the folder cannot be written or the disk is full.
        """
        package = project / copy.project.folder.name
        with output_errors(project):
            shutil.rmtree(project, ignore_errors=True)
            project.mkdir(parents=True)
            shutil.copytree(copy.project.folder, package)
            if copy.data_folder is not None:
                (project / _DATA_FOLDER).symlink_to(copy.data_folder, target_is_directory=True)
        return cls(project, package, index, clients, seed)

    def variables(self) -> dict[str, str]:
        """Return the variables by which the package's scripts tell which client they are.

        The data's path is set where ``startup`` left something for this client in
        ``data/clients/<number>``, counted from 1: the file, if it is the only one there, else the
        folder. What the user set outside is not replaced, since it may be the same for all.
        """
        own = {
            "FEDLOOM_CLIENT_INDEX": str(self.index),
            "FEDLOOM_NUM_CLIENTS": str(self.clients),
            "FEDLOOM_SEED": str(self.seed),
        }
        shared = dict.fromkeys(_SPLIT_VARIABLES, str(self.clients))
        data = self._find_data()
        if data is not None and not _is_any_set(_DATA_VARIABLES, os.environ):
            shared |= dict.fromkeys(_DATA_VARIABLES, str(data))
        return own | {k: v for k, v in shared.items() if not os.environ.get(k)}

    def _find_data(self) -> Path | None:
        folder = self.package / "data" / "clients" / str(self.index + 1)
        if not folder.is_dir():
            return None
        inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        return inside[0] if len(inside) == 1 and inside[0].is_file() else folder


def copy_package(source: Path, target: Path) -> PackageCopy:
    """Copy what belongs to a package: what its archive would hold, and nothing that is ignored.

    Args:
        source: the package's folder, a folder around it, or an archive.
        target: a folder that does not exist yet.

    Raises:
        PackageError: there is no package, or it cannot be packed.
        OutputError: the folder cannot be written or the disk is full.
    """
    if not source.exists():
        raise PackageError(f"package {source} does not exist: name a folder or a .tgz archive")
    if source.is_dir():
        home = find_project_folder(source).resolve()
        folder, left_out = target / home.name, _copy_content(home, target / home.name)
        name = home.parent.name if home.name == "client" and home.parent.name else home.name
        data = home.parent / _DATA_FOLDER
        data_folder = data if data.is_dir() else None
    else:
        name, left_out, data_folder = _stem(source), (), None
        extract_archive(source, target / "client")
        folder = find_project_folder(target / "client")
    project = read_project(folder)
    return PackageCopy(project, name, digest_folder(project.folder), left_out, data_folder)


def _copy_content(home: Path, folder: Path) -> tuple[str, ...]:
    content = list_content(home)
    with output_errors(folder):
        for file in content.files:
            place = folder / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(home / file.name, place, follow_symlinks=False)
            place.chmod(0o755 if file.executable else 0o644)
    return tuple(content.left_out)


def _stem(archive: Path) -> str:
    """Return an archive's name without what tells its format."""
    return archive.name.split(".")[0] or archive.name


def _is_any_set(names: tuple[str, ...], variables: Mapping[str, str]) -> bool:
    return any(variables.get(name) for name in names)
