"""Reading the folder of logs.

It holds ``<backend>/<strategy>/<n>/server_log.log`` and beside it ``client_<id>_log.log``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedloom.bench.logs.client_events import Used, read_client_events
from fedloom.bench.logs.lines import read_lines
from fedloom.bench.logs.server_events import ServerEvents, read_server_events
from fedloom.errors import FedloomError, NotFoundError
from fedloom.federation.algorithm import algorithm_names
from fedloom.learning.model_names import BACKEND_NAMES
from fedloom.naming import fold_name

__all__ = ["OldCell", "read_tree"]

_SERVER = "server_log.log"


@dataclass
class OldCell:
    """One cell of the old study.

    Attributes:
        backend: what computed on the clients; the server always used TensorFlow.
        strategy: the federated algorithm.
        clients: how many there were.
        server: what its server's log tells.
        used: what each client's log tells, by the client's name.
        warnings: what is missing, each a sentence.
    """

    backend: str
    strategy: str
    clients: int
    server: ServerEvents
    used: dict[str, list[Used]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its place in the folder."""
        return f"{self.backend}/{self.strategy}/{self.clients}"

    def scores(self) -> dict[int, float]:
        """Return the recorded accuracy by round, the initial weights' as that of round 0."""
        found = dict(self.server.central_scores)
        found.update({number: p.accuracy for number, p in self.server.progress.items()})
        if self.server.initial is not None:
            found[0] = self.server.initial[1]
        return {number: found[number] for number in sorted(found)}


def read_tree(folder: Path) -> list[OldCell]:
    """Read all cells of a folder; what a cell lacks is among its warnings.

    Raises:
        NotFoundError: there is no such folder, or it holds no such logs.
    """
    cells = [_read_cell(place) for place in _find_cells(folder)]
    if not cells:
        raise NotFoundError(
            f"{folder} holds no logs such as jax/FedAvg/2/{_SERVER}; give the folder that holds "
            "the backends' folders"
        )
    return sorted(cells, key=lambda cell: (cell.backend, cell.clients, cell.strategy))


def _find_cells(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is no folder; give the one that holds the backends' folders")
    backends, strategies = _spellings(BACKEND_NAMES), _spellings(algorithm_names())
    for place in sorted(folder.glob("*/*/*")):
        backend, strategy, number = place.parts[-3:]
        known = fold_name(backend) in backends and fold_name(strategy) in strategies
        if known and number.isdecimal() and int(number) > 0 and place.is_dir():
            yield place


def _spellings(names: Sequence[str]) -> dict[str, str]:
    return {fold_name(name): name for name in names}


def _read_cell(place: Path) -> OldCell:
    backend, strategy, number = place.parts[-3:]
    cell = OldCell(
        _spellings(BACKEND_NAMES)[fold_name(backend)],
        _spellings(algorithm_names())[fold_name(strategy)],
        int(number),
        ServerEvents(),
    )
    try:
        cell.server = read_server_events(list(read_lines(place / _SERVER)))
    except FedloomError:
        cell.warnings.append(f"{cell.name}: {_SERVER} is missing or cannot be read")
    for path in sorted(place.glob("client_*_log.log")):
        name = path.name.removeprefix("client_").removesuffix("_log.log")
        cell.used[name] = _read_client(cell, path)
    _warn(cell)
    return cell


def _read_client(cell: OldCell, path: Path) -> list[Used]:
    try:
        return read_client_events(list(read_lines(path)))
    except FedloomError as error:
        cell.warnings.append(f"{cell.name}: {error}")
        return []


def _warn(cell: OldCell) -> None:
    there, server = len(cell.used), cell.server
    if there != cell.clients:
        kind = "lost" if there < cell.clients else "too many: another run's lie beside them"
        cell.warnings.append(f"{cell.name}: {there} of {cell.clients} client logs ({kind})")
    if server.started is not None and server.finished_s is None:
        cell.warnings.append(f"{cell.name}: the server's log ends before the run was finished")
    missing = set(range(1, (server.rounds or 0) + 1)) - set(server.progress)
    if missing and server.finished_s is not None:
        numbers = ", ".join(map(str, sorted(missing)))
        cell.warnings.append(f"{cell.name}: nothing is logged of round {numbers}")
