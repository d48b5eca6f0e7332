"""What `fedloom doctor` looks at: each check yields what it found and the line that mends it.

Nothing is started and nothing heavy is imported.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from fedloom.cli.findings import Finding, State
from fedloom.cli.requirements import unmet_requirements
from fedloom.errors import InputError

if TYPE_CHECKING:
    from fedloom.settings import Settings

__all__ = ["check_data", "check_machine", "check_network", "check_page"]

GIB = 2**30
# Long enough for a service on this machine, short enough not to be noticed.
CONNECT_SECONDS = 0.25


def check_machine(outputs: Path) -> Iterator[Finding]:
    """Look at Python, processor, memory, and at the disk where runs are written.

    Args:
        outputs: the folder of the runs; need not exist yet.
    """
    import psutil

    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Finding("machine", "Python", State.OK, python)
    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else 0
    yield Finding("machine", "processor", State.OK, f"{cores or os.cpu_count()} cores to use")
    memory = psutil.virtual_memory()
    detail = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB available"
    yield Finding("machine", "memory", State.OK, detail)
    yield _check_graphics()
    yield _check_disk(outputs)


def _check_graphics() -> Finding:
    """Look for an NVIDIA GPU, and for the build of JAX that can use it."""
    if not Path("/dev/nvidia0").exists() and shutil.which("nvidia-smi") is None:
        return Finding("machine", "NVIDIA GPU", State.ABSENT, "none found; the processor trains")
    if unmet_requirements(Requirement("fedloom[cuda]")):
        remedy = "pip install 'fedloom[cuda]'"
        return Finding("machine", "NVIDIA GPU", State.ABSENT, "found, but JAX lacks CUDA", remedy)
    return Finding("machine", "NVIDIA GPU", State.OK, "found, and JAX has CUDA")


def _check_disk(outputs: Path) -> Finding:
    """Look at the free space of the folder, or of the nearest one above it that exists."""
    folder = outputs.absolute()
    while not folder.exists():
        folder = folder.parent
    name = f"disk for {outputs}/"
    if not os.access(folder, os.W_OK | os.X_OK):
        detail, remedy = f"{folder} cannot be written", f"chmod u+w {folder}"
        return Finding("machine", name, State.MISSING, detail, remedy)
    return Finding(
        "machine", name, State.OK, f"{shutil.disk_usage(folder).free / GIB:.1f} GiB free"
    )


def check_data(settings: Settings) -> Iterator[Finding]:
    """Look for the data sets: those in the box, and those that are files on this machine."""
    from fedloom.data.embedded import EMBEDDED_NAMES
    from fedloom.data.idx_sets import IDX_SETS, locate_idx_files

    yield Finding("data sets", "in the box", State.OK, ", ".join(EMBEDDED_NAMES))
    for name, idx_set in IDX_SETS.items():
        package = idx_set.debian_package
        remedy = (
            f"apt-get install {package}"
            if package
            else "export FEDLOOM_DATA_DIR=FOLDER_WITH_ITS_FILES"
        )
        try:
            found = locate_idx_files(idx_set, None, settings)
        except InputError as error:
            yield Finding("data sets", name, State.ABSENT, str(error), "unset FEDLOOM_DATA_DIR")
            continue
        if found:
            yield Finding("data sets", name, State.OK, str(found[0].parent))
        else:
            detail = "not on this machine; downloaded when it is asked for"
            yield Finding("data sets", name, State.ABSENT, detail, remedy)


def check_page() -> Iterator[Finding]:
    """Look for the browser that makes pictures of pages."""
    from fedloom.page.picture import MissingProgramError, find_chromium

    try:
        yield Finding("pages", "Chromium", State.OK, find_chromium())
    except MissingProgramError:
        detail = "not found; only --png needs it"
        yield Finding("pages", "Chromium", State.ABSENT, detail, "apt-get install chromium")


def check_network() -> Iterator[Finding]:
    """Look for a free port for the API, and for services that answer on this machine."""
    if _answers(8000):
        yield Finding("ports", "8000", State.ABSENT, "in use by another program")
    else:
        yield Finding("ports", "8000", State.OK, "free")
    for name, port, package in (
        ("PostgreSQL", 5432, "postgresql"),
        ("RabbitMQ", 5672, "rabbitmq-server"),
    ):
        if _answers(port):
            yield Finding("services", name, State.OK, f"answers on 127.0.0.1:{port}")
        else:
            detail = f"nothing answers on 127.0.0.1:{port}; experiments on one machine need none"
            remedy = f"apt-get install {package}"
            yield Finding("services", name, State.ABSENT, detail, remedy)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(CONNECT_SECONDS)
        return probe.connect_ex(("127.0.0.1", port)) == 0
