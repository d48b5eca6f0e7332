"""A client's machine: for each cell the process that takes part, once the server answers."""

from __future__ import annotations

import json
from pathlib import Path

from fedloom.bench.aws.machine.order import MachineOrder
from fedloom.bench.aws.machine.processes import CellProcess
from fedloom.bench.aws.machine.store import LiveUpload, Store
from fedloom.bench.aws.names import BucketKeys
from fedloom.bench.aws.objects import MANIFEST
from fedloom.files import open_replacing

__all__ = ["ClientMachine"]

_SERVER_AWAY_S = 180.0


class ClientMachine:
    """Takes part in the cells of a group.

    Args:
        order: what to do.
        store: the bucket.
        bundle: folder with study and data.
        work: folder for everything else.
        index: which client this is, from 0.
        instance_id: of this machine.
    """

    def __init__(
        self,
        order: MachineOrder,
        store: Store,
        bundle: Path,
        work: Path,
        *,
        index: int,
        instance_id: str,
    ) -> None:
        self._order, self._store, self._bundle, self._work = order, store, bundle, work
        self._index, self._instance_id = index, instance_id
        self._keys = BucketKeys(order.run)
        self._authority = work / "ca.pem"

    def carry_out(self) -> None:
        """Take part in all cells; one that fails is handed in as it is.

        Raises:
            LinkError: the server said nothing for too long.
            FedloomError: the bucket or the disk do not take what there is.
        """
        for cell in self._order.cells:
            self._take_part(cell)

    def _take_part(self, cell: str) -> None:
        url = self._await_server(cell)
        if url is None:
            return
        folder = self._work / "cells" / cell
        folder.mkdir(parents=True)
        prefix = self._keys.part(cell, f"client-{self._index}")
        name = self._instance_id.removeprefix("i-")
        log = folder / f"client_i_{name}_log.log"
        process = CellProcess(
            "take_part",
            self._order,
            self._bundle,
            cell,
            output=folder / "output" / f"client_{self._index + 1}.txt",
            arguments=[
                *("--index", str(self._index), "--instance-id", name, "--server", url),
                *("--authority", str(self._authority), "--log", str(log)),
                *("--limit-s", f"{_SERVER_AWAY_S:g}"),
            ],
        )
        with LiveUpload(self._store, prefix, folder, every_s=self._order.upload_every_s), process:
            process.wait(self._order.cell_limit_s)
        self._store.hand_in(prefix, folder, {"end": process.describe_end()})

    def _await_server(self, cell: str) -> str | None:
        """Wait until the server answers for a cell; None where it has given the cell up."""
        order = self._order
        over = f"{self._keys.part(cell, 'server')}{MANIFEST}"
        said = self._store.await_object(
            self._keys.ready(order.group, cell),
            order.cell_limit_s,
            lambda: self._store.has(over),
        )
        if said is None:
            return None
        authority = self._store.await_object(self._keys.authority(order.group), order.ready_limit_s)
        with open_replacing(self._authority) as file:
            file.write(authority or b"")
        url: str = json.loads(said)["url"]
        return url
