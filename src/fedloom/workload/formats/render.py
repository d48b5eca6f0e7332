"""Requests as bytes: a block by columns, or objects one by one, with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fedloom.errors import InputError
from fedloom.workload.block import RequestBlock
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.formats.block_requests import block_requests
from fedloom.workload.formats.block_structures import AlikeRequests, group_alike
from fedloom.workload.formats.columns import Lines
from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.layout_json import INDENTED, LINES
from fedloom.workload.formats.layout_table import ROWS
from fedloom.workload.formats.layout_yaml import BLOCKS
from fedloom.workload.formats.matrix import AlikeRows, RowPart, weave
from fedloom.workload.formats.numbers import id_width, print_seconds
from fedloom.workload.formats.skeleton import Layout, Path, build_skeleton, take_apart
from fedloom.workload.request import Request

__all__ = ["LAYOUTS", "render_block", "render_pieces", "render_requests"]

LAYOUTS: dict[FileFormat, Layout] = {
    FileFormat.JSON: INDENTED,
    FileFormat.YAML: BLOCKS,
    FileFormat.JSONL: LINES,
    FileFormat.CSV: ROWS,
    FileFormat.PARQUET: ROWS,
}
"""How each format spells a request; Parquet files are made from CSV rows."""

_PROMPT = ("input_data", "user_prompt")
_TIMES = frozenset(("total_estimated_time", "critical_path_time", "think_time"))


def render_block(
    block: RequestBlock,
    config: WorkloadConfig,
    header: Header,
    format: FileFormat,  # noqa: A002
) -> bytes:
    """Return the text of a block's requests, with separators only between them.

    It depends on the arguments alone, so blocks may be rendered in several processes.

    Args:
        block: the requests; not empty.
        config: what they were drawn from.
        header: of the file; its number of requests gives the width of ids.
        format: of the file.

    Raises:
        ValueError: the block reaches beyond the header's number of requests.
    """
    return b"".join(render_pieces(block, config, header, format))


def render_pieces(
    block: RequestBlock,
    config: WorkloadConfig,
    header: Header,
    format: FileFormat,  # noqa: A002
) -> Iterator[bytes | bytearray]:
    """Yield what `render_block` returns in pieces, so that little memory is touched at a time.

    The arguments are those of `render_block`.
    """
    if block.first + len(block) > header.num_requests:
        raise ValueError(f"request {block.first + len(block) - 1} of {header.num_requests}")
    layout = LAYOUTS[format]
    groups = list(group_alike(block, config, id_width(header.num_requests)))
    if not all(_suits(layout, config, group) for group in groups):
        yield render_requests(block_requests(block, config, header.num_requests), format)
        return
    yield from weave(
        [AlikeRows(group.rows, _parts(layout, group)) for group in groups], layout.joiner
    )


def _suits(layout: Layout, config: WorkloadConfig, group: AlikeRequests) -> bool:
    """Return whether all values of a group are printed alike, so that columns can be used."""
    if not all(layout.holds(tenant) for tenant in config.tenants):
        return False
    if isinstance(group.prompts, Lines):
        return all(layout.holds(group.prompts.lines[i]) for i in np.unique(group.prompts.index))
    return group.prompts.suits(layout, _PROMPT)


def _parts(layout: Layout, group: AlikeRequests) -> list[RowPart]:
    values: list[Any] = []
    skeleton = build_skeleton(layout, take_apart(layout.arrange(group.fields), values))
    parts: list[RowPart] = [skeleton.texts[0].encode()]
    for gap, text in zip(skeleton.gaps, skeleton.texts[1:], strict=True):
        value, path = values[gap], skeleton.paths[gap]
        if hasattr(value, "is_column"):
            parts += value.parts(layout, path)
        else:
            parts.append(layout.print_value(value, path).encode())
        parts.append(text.encode())
    return parts


def render_requests(requests: Iterable[Request], format: FileFormat) -> bytes:  # noqa: A002
    """Return the text of some requests, with separators only between them.

    Raises:
        InputError: a time is negative, infinite or NaN, or an id cannot stand in a table.
    """
    layout = LAYOUTS[format]
    return layout.joiner.join([_render_request(layout, request) for request in requests])


def _render_request(layout: Layout, request: Request) -> bytes:
    values: list[Any] = []
    shape = take_apart(layout.arrange(request.to_dict()), values)
    skeleton = build_skeleton(layout, shape)
    texts = [skeleton.texts[0]]
    for gap, text in zip(skeleton.gaps, skeleton.texts[1:], strict=True):
        value, path = values[gap], skeleton.paths[gap]
        if _is_time(path) and isinstance(value, int | float) and not isinstance(value, bool):
            texts.append(_print_time(value, path, request))
        else:
            texts.append(layout.print_value(value, path))
        texts.append(text)
    return "".join(texts).encode()


def _is_time(path: Path) -> bool:
    """Return whether the value at a path is a time in seconds; tables keep some in own columns."""
    if len(path) == 2:
        return path[0] == "node_execution_times" or (path[0] == "metadata" and path[1] in _TIMES)
    return len(path) == 1 and path[0] in _TIMES


def _print_time(value: float, path: Path, request: Request) -> str:
    try:
        return print_seconds(value)
    except (ValueError, OverflowError):
        raise InputError(
            f"request {request.request_id}: {'.'.join(path)} is {value}; "
            "a time in seconds, 0 or more, is right"
        ) from None
