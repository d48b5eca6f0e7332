"""Forms with files, written to disk as they come: no part of a file is ever held in memory."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

__all__ = ["Form", "read_form"]

_FIELD_BYTES = 64 * 1024
_MOST_PARTS = 24


@dataclass
class Form:
    """What came.

    Attributes:
        fields: names and texts, in their order; a name may be there twice.
        files: names and where each was written; what the sender called it counts nothing.
    """

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, Path]] = field(default_factory=list)


async def read_form(request: Request, folder: Path, files: Collection[str]) -> Form:
    """Read a multipart form from a request's body.

    Args:
        request: whose body was not read yet; the gate bounds it.
        folder: the files are written there; the caller removes it.
        files: names of the parts that are files.

    Raises:
        HTTPException: it is no such form, or holds too much.
        OSError: a file cannot be written.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise HTTPException(422, "the body is no multipart form: send the package as a file")
    with ExitStack() as stack:
        reader = _Reader(folder, files, stack)
        try:
            parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
            async for chunk in request.stream():
                await to_thread.run_sync(parser.write, chunk)
            parser.finalize()
        except FormParserError as error:
            raise HTTPException(422, f"the form cannot be read: {error}") from error
    if not reader.complete:
        raise HTTPException(422, "the form ends in the middle: send it once more")
    return reader.form


class _Reader:
    """Takes what the parser finds."""

    def __init__(self, folder: Path, files: Collection[str], stack: ExitStack) -> None:
        self.form, self.complete = Form(), False
        self._folder, self._files, self._stack = folder, files, stack
        self._parts = 0
        self._key, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._name, self._text = "", bytearray()
        self._file: IO[bytes] | None = None

    def callbacks(self) -> dict[str, Any]:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_key,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._add,
            "on_part_end": self._close,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise HTTPException(422, f"the form has more than {_MOST_PARTS} parts")
        self._headers, self._text = {}, bytearray()

    def _add_key(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._key.lower()] = self._value
        self._key, self._value = b"", b""

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            return
        if self._name not in self._files:
            raise HTTPException(422, f"files are called {' and '.join(self._files)}")
        path = self._folder / f"part-{self._parts}"
        self._file = self._stack.enter_context(path.open("xb"))
        self.form.files.append((self._name, path))

    def _add(self, data: bytes, start: int, end: int) -> None:
        piece = memoryview(data)[start:end]
        if self._file is not None:
            self._file.write(piece)
            return
        self._text += piece
        if len(self._text) > _FIELD_BYTES:
            raise HTTPException(422, f"the field {self._name[:40]!r} is too long")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            self.form.fields.append((self._name, self._text.decode("utf-8", "replace")))

    def _finish(self) -> None:
        self.complete = True
