"""Reading a cluster from a file, or making one of equal GPUs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from fedloom.errors import DataError, InputError
from fedloom.scheduling.cluster.description import REFERENCE_LINK_GB_PER_S, Cluster
from fedloom.scheduling.cluster.schema import MOST_GPUS, describe_cluster

__all__ = ["read_cluster", "uniform_cluster"]


def read_cluster(path: Path | str) -> Cluster:
    """Read a cluster file, YAML or JSON.

    ::

        servers:
          - {name: big, count: 2, gpus: 8, gpu_memory_gb: 80, speed: 1.0, link_gb_per_s: 16}
          - {name: small, gpus: 4, gpu_memory_gb: 24, speed: 0.5}
        allow_span: false
        span_slowdown: 1.2
        switch_overhead_seconds: 2

    Raises:
        DataError: the file is missing, unreadable or malformed.
        InputError: it describes no cluster; all faults stand on one line.
    """
    path = Path(path)
    content = _parse(path)
    if not isinstance(content, dict):
        raise DataError(f"cluster file {path} holds no mapping; it begins with 'servers:'")
    return describe_cluster(content, f"cluster file {path}")


def uniform_cluster(
    gpus: int,
    *,
    per_server: int = 8,
    memory_gb: float = 80.0,
    speed: float = 1.0,
    link_gb_per_s: float = REFERENCE_LINK_GB_PER_S,
    allow_span: bool = False,
    span_slowdown: float = 1.0,
    switch_overhead_seconds: float = 2.0,
) -> Cluster:
    """Return a cluster of equal GPUs, in servers that are full but perhaps for the last.

    Raises:
        InputError: a number is impossible.

    Example:
        >>> uniform_cluster(12).servers
        ('server-0', 'server-1')
    """
    if isinstance(gpus, bool) or not isinstance(gpus, int) or gpus < 1:
        raise InputError(f"gpus={gpus!r}: a cluster has at least 1 GPU")
    if gpus > MOST_GPUS:
        raise InputError(f"gpus={gpus}: a cluster has at most {MOST_GPUS:,} GPUs")
    if isinstance(per_server, bool) or not isinstance(per_server, int) or per_server < 1:
        raise InputError(f"per_server={per_server!r}: a server has at least 1 GPU")
    full, rest = divmod(gpus, per_server)
    sizes = [per_server] * full + [rest] * (rest > 0)
    kind = {"gpu_memory_gb": memory_gb, "speed": speed, "link_gb_per_s": link_gb_per_s}
    return describe_cluster(
        {
            "servers": [{"name": f"server-{n}", "gpus": k, **kind} for n, k in enumerate(sizes)],
            "allow_span": allow_span,
            "span_slowdown": span_slowdown,
            "switch_overhead_seconds": switch_overhead_seconds,
        },
        f"cluster of {gpus:,} GPUs",
    )


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which no key may stand twice: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if keys.count(name) > 1 and name != "<<":
                problem = f"the key {name!r} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        return super().construct_mapping(node, deep)


def _unique_pairs(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"the key {key!r} stands there twice")
        mapping[key] = value
    return mapping


def _parse(path: Path) -> Any:
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.casefold() == ".json":
            return json.loads(text, object_pairs_hook=_unique_pairs)
        return yaml.load(text, _UniqueKeys)
    except FileNotFoundError as error:
        raise DataError(f"cluster file {path} does not exist") from error
    except OSError as error:
        raise DataError(f"cluster file {path} cannot be read: {error.strerror or error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise DataError(f"cluster file {path}{where}: no valid YAML: {error.problem}") from error
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"cluster file {path}: cannot be read: {reason}") from error
