"""The server's machine: its own authority, and for each cell the process that serves it."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic, sleep

from fedloom.bench.aws.machine.order import MachineOrder
from fedloom.bench.aws.machine.processes import CellProcess
from fedloom.bench.aws.machine.store import LiveUpload, Store
from fedloom.bench.aws.names import BucketKeys
from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates

__all__ = ["ServerMachine"]

_LOOK_SECONDS = 0.2
_CERTIFICATE_DAYS = 8


class ServerMachine:
    """Serves the cells of a group.

    Args:
        order: what to do.
        store: the bucket.
        bundle: folder with study and data.
        work: folder for everything else.
        address: private, of this machine.
    """

    def __init__(
        self, order: MachineOrder, store: Store, bundle: Path, work: Path, address: str
    ) -> None:
        self._order, self._store, self._bundle, self._work = order, store, bundle, work
        self._address, self._keys = address, BucketKeys(order.run)
        self._certificates = work / "certificates"

    def carry_out(self) -> None:
        """Carry out all cells; one that fails is handed in as it is.

        Raises:
            FedloomError: the bucket or the disk do not take what there is.
        """
        home = CertificateFolder(self._certificates)
        create_certificates(home, [self._address], days=_CERTIFICATE_DAYS)
        # The certificate of the authority alone: both keys stay here.
        authority = home.certificate("ca").read_bytes()
        self._store.say(self._keys.authority(self._order.group), authority)
        for cell in self._order.cells:
            self._serve(cell)

    def _serve(self, cell: str) -> None:
        folder = self._work / "cells" / cell
        folder.mkdir(parents=True)
        prefix = self._keys.part(cell, "server")
        process = CellProcess(
            "serve",
            self._order,
            self._bundle,
            cell,
            output=folder / "output" / "server.txt",
            arguments=[
                *("--folder", str(folder), "--listen", f"{self._address}:{self._order.port}"),
                *("--certificates", str(self._certificates)),
                *("--ready-file", str(self._ready_file(cell))),
                *("--limit-s", f"{self._order.ready_limit_s:g}"),
            ],
        )
        with LiveUpload(self._store, prefix, folder, every_s=self._order.upload_every_s), process:
            self._tell_ready(cell, process)
            process.wait(self._order.cell_limit_s)
        self._store.hand_in(prefix, folder, {"end": process.describe_end()})

    def _tell_ready(self, cell: str, process: CellProcess) -> None:
        """Say in the bucket where the server answers, as soon as it does."""
        until = monotonic() + self._order.ready_limit_s
        ready = self._ready_file(cell)
        while not ready.exists():
            if process.exit_code is not None or monotonic() > until:
                return
            sleep(_LOOK_SECONDS)
        content = json.dumps({"url": ready.read_text().strip()})
        self._store.say(self._keys.ready(self._order.group, cell), content.encode())

    def _ready_file(self, cell: str) -> Path:
        return self._work / f"{cell}.ready"
