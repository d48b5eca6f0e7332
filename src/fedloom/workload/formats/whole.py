"""Whether a file that has been read to its end is whole.

A YAML file that was cut between two lines is still YAML. Its header tells how many requests there
should be. Whether the last of them is complete shows in comparison with others: in generated files,
which fields the metadata has depends on workflow and tenant alone (but for those of closed loops).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedloom.errors import InputError
from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.parse_request import FIELDS
from fedloom.workload.formats.source import Source
from fedloom.workload.request import Request

__all__ = ["WholeCheck"]

_GENERATED = (
    "base_models_used",
    "total_estimated_time",
    "critical_path_time",
    "tenant",
    "priority",
    "deadline",
    "node_tokens",
)
_LOOP = ("after_request", "think_time")
_MOST_KINDS = 10_000


class WholeCheck:
    """Follows the requests of a file, to tell at its end whether it was cut.

    Not seen is a cut of a YAML file that takes just the last fields of the last request's metadata,
    if no other request of its workflow and tenant is in the file, or if these are the fields of a
    closed loop, or if the requests were not generated.

    Args:
        source: the file.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._yaml = source.format is FileFormat.YAML
        self._last: tuple[Mapping[str, Any], Request] | None = None
        self._kinds: dict[tuple[Any, ...], Request] = {}

    def add(self, fields: Mapping[str, Any], request: Request) -> None:
        """Take note of a request, as the file spells it and as it was understood."""
        if not self._yaml:
            return
        if self._last is not None and len(self._kinds) < _MOST_KINDS:
            before = self._last[1]
            kind = (before.workflow_id, *before.metadata, str(before.metadata.get("tenant")))
            self._kinds[kind] = before
        self._last = (fields, request)

    def finish(self, header: Header, number: int) -> None:
        """Compare what was read with what the header says.

        Args:
            header: of the file.
            number: of requests that were read.

        Raises:
            InputError: the file is cut, or the header is wrong.
        """
        path = self._source.path
        if number != header.num_requests:
            raise InputError(
                f"{path}: {number} requests were found, but metadata.num_requests is "
                f"{header.num_requests}; the file is cut, or the number should be {number}"
            )
        if self._last is None:
            return
        if not self._source.ends_with_line_break():
            raise InputError(
                f"{path}: the last line has no end; the file may be cut (if it is whole, end the "
                "last line with a line break)"
            )
        if lacking := self._lacking(*self._last):
            raise InputError(
                f"{path}: request {number} ends before its {lacking}; the file may be cut (if it "
                "is whole, remove metadata.num_requests)"
            )

    def _lacking(self, fields: Mapping[str, Any], last: Request) -> str | None:
        """Return the first field that the last request lacks at its end, unlike all others."""
        keys = tuple(fields)
        if keys == FIELDS[: len(keys)] != FIELDS:
            return FIELDS[len(keys)]
        if "after_request" in last.metadata and "think_time" not in last.metadata:
            return "metadata.think_time"
        have = _outline(last.metadata)
        shorter = [_outline(other.metadata) for other in self._others(last)]
        if not (last.metadata and shorter and _is_generated(last)):
            return None
        if any(should[: len(have)] != have or should == have for should in shorter):
            return None
        return f"metadata{shorter[0][len(have)]}"

    def _others(self, last: Request) -> list[Request]:
        """Return requests of the last one's kind: one for each set of fields that occurs."""
        tenant = last.metadata.get("tenant")
        return [
            other
            for other in self._kinds.values()
            if other.workflow_id == last.workflow_id
            and tenant in (None, other.metadata.get("tenant"))
        ]


def _is_generated(request: Request) -> bool:
    """Return whether the metadata begins as generated requests' does, in order."""
    keys = [key for key in request.metadata if key not in _LOOP]
    return [key for key in _GENERATED if key in keys] == keys


def _outline(value: Any, place: str = "") -> list[str]:
    """Return where values are, in order, without those of a closed loop."""
    if isinstance(value, Mapping):
        return [
            inner
            for key, part in value.items()
            if place or key not in _LOOP
            for inner in _outline(part, f"{place}.{key}")
        ]
    return [] if value is None else [place]
