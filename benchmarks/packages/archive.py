"""The archive of a package with few large, some middling and many small files."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from fedloom.package import create_archive
from harness.package_times import PackageTimes, parse_repeats, print_times

__all__ = ["measure_archive"]

_MEGABYTES = 300
_MEGABYTE = 1_000_000
_SMALL_BYTES = 50_000
_PER_FOLDER = 100


def measure_archive(repeats: int, megabytes: int = _MEGABYTES) -> PackageTimes:
    """Time the packing of a folder whose files are in the file cache, after one packing untimed.

    Args:
        repeats: timed packings.
        megabytes: what the files hold together; a third of it in two large files, a third in files
            of 1 MB, a third in files of 50 kB.
    """
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        folder, output = Path(name, "client"), Path(name, "package.tgz")
        _write_files(folder, megabytes)
        content, seconds = 0, []
        for _ in range(repeats + 1):
            os.sync()  # what was written before is not to be paid for within the next packing
            begun = perf_counter()
            archive = create_archive(folder, output)
            seconds.append(perf_counter() - begun)
            content = sum(file.size_bytes for file in archive.files)
    return PackageTimes("archive", tuple(seconds[1:]), megabytes=content / _MEGABYTE)


def _write_files(folder: Path, megabytes: int) -> None:
    share, rng = megabytes * _MEGABYTE // 3, np.random.default_rng(1)
    folder.mkdir()
    (folder / "fedloom.yaml").write_text("entry_points:\n  train: python train.py\n")
    for part in range(2):
        (folder / f"weights-{part}.bin").write_bytes(rng.bytes(share // 2))
    for number in range(share // _MEGABYTE):
        _write(folder / "images" / f"{number:04}.raw", rng.bytes(_MEGABYTE))
    line = b"a line of text, such as stands in tables and sources\n"
    text = (line * (_SMALL_BYTES // len(line) + 1))[:_SMALL_BYTES]
    for number in range(share // _SMALL_BYTES):
        _write(folder / "texts" / str(number // _PER_FOLDER) / f"{number:05}.txt", text)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main() -> None:
    """Run what the command line says."""
    print_times(measure_archive(parse_repeats()))


if __name__ == "__main__":
    main()
