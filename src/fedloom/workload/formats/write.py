"""Writing request files block by block, in memory that does not grow with their number."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from fedloom.files import open_replacing, output_errors
from fedloom.workload.block import RequestBlock
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.formats.file_format import FileFormat, format_of, is_gzip_name
from fedloom.workload.formats.frame import Frame, frame_of
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.render import render_pieces, render_requests
from fedloom.workload.request import Request

__all__ = ["BlockWriter", "open_writer", "write_requests"]

_REQUESTS_AT_ONCE = 1024


class BlockWriter:
    """Writes requests to a file, in the order in which they are given.

    Args:
        file: open for writing bytes.
        frame: what stands around and between requests.
        format: of the file.
        config: what blocks are drawn from; None: only rendered requests will come.
        header: of the file.

    Attributes:
        written: how many requests were written.
        starts: where in the file each block of them begins.
    """

    def __init__(
        self,
        file: IO[bytes],
        frame: Frame,
        format: FileFormat,  # noqa: A002
        config: WorkloadConfig | None = None,
        header: Header | None = None,
    ) -> None:
        self._file, self._frame, self._format = file, frame, format
        self._config, self._header = config, header
        self.written = 0
        self.starts: list[int] = []
        file.write(frame.head)

    def write(self, block: RequestBlock) -> None:
        """Write the requests of a block."""
        if self._config is None or self._header is None:
            raise ValueError("blocks need a configuration and a header")
        if len(block):
            self._begin(len(block))
            for piece in render_pieces(block, self._config, self._header, self._format):
                self._file.write(piece)

    def append(self, rendered: bytes, requests: int) -> None:
        """Write requests that `render_block` rendered, perhaps in another process."""
        if requests:
            self._begin(requests)
            self._file.write(rendered)

    def _begin(self, requests: int) -> None:
        self._file.write(self._frame.between if self.written else self._frame.first)
        self.starts.append(self._file.tell())
        self.written += requests

    def finish(self) -> None:
        """Write what stands after the last request.

        Raises:
            ValueError: the file states another number of requests than were written.
        """
        stated = self._frame.num_requests
        if stated is not None and stated != self.written:
            raise ValueError(f"{self.written} requests were written, the header says {stated}")
        self._file.write(self._frame.end if self.written else self._frame.end_if_empty)


@contextmanager
def open_writer(
    path: Path,
    config: WorkloadConfig,
    header: Header,
    *,
    format: FileFormat | None = None,  # noqa: A002
) -> Iterator[BlockWriter]:
    """Open a request file for blocks; it appears at `path` when the ``with`` block ends well.

    On an error an older file stays as it was and nothing is left beside it.

    Args:
        path: the file; a name that ends in ``.gz`` is compressed.
        config: what the blocks are drawn from.
        header: of the file; JSON and YAML hold it, the others do not.
        format: of the file; by its name when None.

    Raises:
        InputError: the name stands for no format.
        OutputError: the place cannot be written or the disk is full.
    """
    chosen = format or format_of(path)
    with _open_frame(path, chosen, header, config) as writer:
        yield writer


def write_requests(
    path: Path,
    header: Header | None,
    requests: Iterable[Request],
    *,
    format: FileFormat | None = None,  # noqa: A002
) -> int:
    """Write requests that are at hand one by one; the same bytes as by blocks, more slowly.

    Args:
        path: the file; a name that ends in ``.gz`` is compressed.
        header: of the file; None: JSON and YAML hold requests alone.
        requests: read once, some at a time.
        format: of the file; by its name when None.

    Returns:
        How many requests were written.

    Raises:
        InputError: the name stands for no format, or a request's time is no time.
        OutputError: the place cannot be written or the disk is full.
        ValueError: there are not as many requests as the header says.
    """
    chosen = format or format_of(path)
    with _open_frame(path, chosen, header, None) as writer:
        source = iter(requests)
        while some := list(islice(source, _REQUESTS_AT_ONCE)):
            writer.append(render_requests(some, chosen), len(some))
    return writer.written


@contextmanager
def _open_frame(
    path: Path,
    format: FileFormat,  # noqa: A002
    header: Header | None,
    config: WorkloadConfig | None,
) -> Iterator[BlockWriter]:
    if format is FileFormat.PARQUET:
        with _open_parquet(path, config, header) as writer:
            yield writer
        return
    with _open_text(path) as file:
        writer = BlockWriter(file, frame_of(format, header), format, config, header)
        yield writer
        writer.finish()


@contextmanager
def _open_text(path: Path) -> Iterator[IO[bytes]]:
    with open_replacing(path) as file:
        if not is_gzip_name(path):
            yield file
            return
        # No name and no time inside, so that the same requests give the same bytes.
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as zipped:
            yield cast("IO[bytes]", zipped)


@contextmanager
def _open_parquet(
    path: Path, config: WorkloadConfig | None, header: Header | None
) -> Iterator[BlockWriter]:
    """Collect CSV rows beside the file, then turn them into Parquet."""
    from fedloom.workload.formats.parquet import sink_rows

    frame = frame_of(FileFormat.PARQUET, header)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            rows = Path(folder, "rows.csv")
            with rows.open("wb") as file:
                writer = BlockWriter(file, frame, FileFormat.PARQUET, config, header)
                yield writer
                writer.finish()
            sink_rows(rows, writer.starts, path)
