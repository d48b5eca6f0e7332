"""Machines that exist on paper: a thread writes into the bucket what real ones would hand in."""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from threading import Event, Thread
from typing import Any

from fedloom.bench import Cell, CellOutcome, CellStatus
from fedloom.bench.aws.machine import MachineOrder, MachineRole
from fedloom.bench.aws.names import BucketKeys

from .aws_world import World

__all__ = ["PaperMachines"]


class PaperMachines:
    """Answers for machines as soon as they run.

    Args:
        world: whose machines.
        silent: cells of which clients hand in nothing.
        broken: cells of which the server's files are not what it lists.
        dying: cells in which the machine of the last client dies.
        mute: whether servers never answer.
    """

    def __init__(
        self,
        world: World,
        *,
        silent: tuple[str, ...] = (),
        broken: tuple[str, ...] = (),
        dying: tuple[str, ...] = (),
        mute: bool = False,
    ) -> None:
        self._world, self._silent, self._broken = world, silent, broken
        self._dying, self._mute = dying, mute
        self._s3, self._ec2 = world.client("s3"), world.client("ec2")
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._orders: dict[str, tuple[MachineOrder, int]] = {}
        self._done: set[tuple[str, str]] = set()

    def __enter__(self) -> PaperMachines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            running = [
                one
                for page in self._ec2.describe_instances()["Reservations"]
                for one in page["Instances"]
                if one["State"]["Name"] == "running"
            ]
            for one in running:
                self._read(one)
            alive = {one["InstanceId"] for one in running}
            try:
                self._work({m: o for m, o in self._orders.items() if m in alive})
            except self._s3.exceptions.NoSuchBucket:
                continue

    def _read(self, one: dict[str, Any]) -> None:
        machine = one["InstanceId"]
        if machine not in self._orders:
            found = self._ec2.describe_instance_attribute(InstanceId=machine, Attribute="userData")
            script = base64.b64decode(found["UserData"]["Value"]).decode()
            text = re.search(r"<<'ORDER'\n(.*)\nORDER\n", script)
            assert text is not None
            order = MachineOrder.model_validate_json(text[1])
            self._orders[machine] = order, one["AmiLaunchIndex"]

    def _work(self, alive: dict[str, tuple[MachineOrder, int]]) -> None:
        for machine, (order, index) in alive.items():
            keys = BucketKeys(order.run)
            told = (machine, "ready")
            if order.role is MachineRole.SERVER and not self._mute and told not in self._done:
                self._put(order, keys.ready(order.group, order.cells[0]), b'{"url": "x"}')
                self._done.add(told)
            mates = [o for o, _ in alive.values() if o.group == order.group]
            begun = (order.group, "begun")
            if len(mates) == 1 + _clients(order.cells[0]):
                self._done.add(begun)
            if begun in self._done:
                self._hand_in(machine, order, index, keys)

    def _hand_in(self, machine: str, order: MachineOrder, index: int, keys: BucketKeys) -> None:
        for cell in order.cells:
            last = index == _clients(cell) - 1
            if cell in self._dying:
                if order.role is MachineRole.CLIENT and last:
                    self._ec2.terminate_instances(InstanceIds=[machine])
                return
            part = "server" if order.role is MachineRole.SERVER else f"client-{index}"
            if (machine, cell) in self._done or (cell in self._silent and part != "server"):
                continue
            self._done.add((machine, cell))
            name = f"client_i_{machine.removeprefix('i-')}_log.log"
            files = {name: b"a line\n"}
            if part == "server":
                outcome = _outcome(order.run, cell).model_dump_json()
                files = {"server_log.log": b"a line\n", "cell.json": outcome.encode()}
            self._hand_in_part(order, keys.part(cell, part), files, broken=cell in self._broken)

    def _hand_in_part(
        self, order: MachineOrder, prefix: str, files: dict[str, bytes], *, broken: bool
    ) -> None:
        for name, content in files.items():
            self._put(order, f"{prefix}{name}", content + (b"!" if broken else b""))
        about = {
            name: {"size": len(content), "sha256": sha256(content).hexdigest()}
            for name, content in files.items()
        }
        manifest = json.dumps({"end": "", "files": about}).encode()
        self._put(order, f"{prefix}manifest.json", manifest)

    def _put(self, order: MachineOrder, key: str, content: bytes) -> None:
        self._s3.put_object(Bucket=order.bucket, Key=key, Body=content)


def _clients(cell: str) -> int:
    return int(cell.split("-")[2])


def _outcome(run: str, name: str) -> CellOutcome:
    backend, strategy, clients = name.split("-")[:3]
    cell = Cell(backend, strategy, int(clients))
    return CellOutcome(
        run=run,
        cell=cell.id,
        backend=backend,
        strategy=strategy,
        clients=cell.clients,
        seed=42,
        status=CellStatus.FINISHED,
        rounds=2,
    )
