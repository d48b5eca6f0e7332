"""What machines install and read: one folder, each file of it with its checksum."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedloom.bench.aws.cloud import Cloud
from fedloom.bench.aws.data_file import point_to_data, write_data
from fedloom.bench.aws.faults import aws_errors
from fedloom.bench.aws.locked import download_wheels, lock_requirements, refuse_unhashed
from fedloom.bench.aws.names import BucketKeys
from fedloom.bench.aws.objects import describe_files, hash_file, upload_file
from fedloom.bench.aws.options import AwsOptions
from fedloom.bench.aws.wheel import pack_wheel
from fedloom.bench.study import Study
from fedloom.bench.study_file import write_study
from fedloom.errors import InputError, NotFoundError
from fedloom.files import output_errors, write_text

__all__ = ["Bundle", "prepare_bundle", "upload_bundle"]

_SUMS = "SHA256SUMS"
_DATA = "data.npz"


@dataclass(frozen=True)
class Bundle:
    """A bundle on this machine.

    Attributes:
        folder: with all files.
        sums_sha256: SHA-256 of the list of checksums, in hexadecimal.
        wheel: name of Fedloom's own wheel.
    """

    folder: Path
    sums_sha256: str
    wheel: str


def prepare_bundle(
    folder: Path,
    study: Study,
    options: AwsOptions,
    architecture: str,
    tell: Callable[[str], None],
) -> Bundle:
    """Put everything that machines need into a folder.

    Args:
        folder: empty.
        study: to be carried out.
        options: of the run; they may bring wheels and requirements.
        architecture: of the machines.
        tell: called with what is done.

    Raises:
        InputError: something given cannot be used.
        LinkError: the dependencies cannot be had.
        OutputError: the disk is full.
    """
    write_data(study.plan, folder / _DATA)
    write_study(folder / "study.yaml", point_to_data(study, _DATA))
    wheel = pack_wheel(folder) if options.wheel is None else _take(options.wheel, folder)
    requirements = folder / "requirements.txt"
    if options.requirements is None:
        tell("locking the versions that machines install")
        lock_requirements(requirements, study.backend, architecture)
    else:
        refuse_unhashed(options.requirements)
        _take(options.requirements, folder, requirements.name)
    wheels = folder / "wheels"
    if options.wheels is None:
        tell("downloading the wheels that machines install")
        download_wheels(requirements, wheels, architecture)
    else:
        _take_folder(options.wheels, wheels)
    sums = "".join(f"{v['sha256']}  {name}\n" for name, v in describe_files(folder).items())
    write_text(folder / _SUMS, sums)
    return Bundle(folder, hash_file(folder / _SUMS), wheel.name)


def upload_bundle(cloud: Cloud, bucket: str, keys: BucketKeys, bundle: Bundle) -> None:
    """Upload a bundle.

    Raises:
        FedloomError: the bucket does not take it.
    """
    for path in sorted(bundle.folder.rglob("*")):
        name = path.relative_to(bundle.folder).as_posix()
        if path.is_file():
            with aws_errors(f"upload {name}"):
                upload_file(cloud.s3, bucket, f"{keys.bundle}{name}", path)


def _take(path: Path, folder: Path, name: str | None = None) -> Path:
    if not path.is_file():
        raise NotFoundError(f"{path} does not exist, or is no file")
    target = folder / (name or path.name)
    with output_errors(target):
        shutil.copyfile(path, target)
    return target


def _take_folder(folder: Path, target: Path) -> None:
    if not folder.is_dir():
        raise NotFoundError(f"wheels={folder}: there is no such folder")
    strange = [path.name for path in folder.iterdir() if path.suffix != ".whl"]
    if strange:
        raise InputError(f"wheels={folder}: {strange[0]} is no wheel")
    with output_errors(target):
        shutil.copytree(folder, target)
