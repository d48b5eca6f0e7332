"""The machines of one group of cells: server first, then clients, and what they hand in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, sleep
from uuid import uuid4

from fedloom.bench.aws.bucket import list_keys
from fedloom.bench.aws.collect import CellParts, find_parts
from fedloom.bench.aws.faults import aws_errors
from fedloom.bench.aws.instances import (
    Machine,
    StartOrder,
    describe_machines,
    end_machines,
    start_machines,
)
from fedloom.bench.aws.journal import Journal
from fedloom.bench.aws.machine.order import MachineOrder, MachineRole
from fedloom.bench.aws.machine_config import Ec2Config
from fedloom.bench.aws.names import BucketKeys, Tags
from fedloom.bench.aws.objects import read_object
from fedloom.bench.aws.options import AwsOptions
from fedloom.bench.aws.site import Site
from fedloom.bench.aws.user_data import render_user_data
from fedloom.bench.cell_id import Cell
from fedloom.errors import RunFailedError

__all__ = ["GroupMachines", "MachineLostError"]

_UPLOAD_EVERY_S = 15.0


class MachineLostError(RunFailedError):
    """A machine ended, or gave up, before its work was done; others can be started."""


class GroupMachines:
    """The machines of a group, from their start to their end.

    Args:
        site: of the run.
        name: of the group, different for each set of machines.
        cells: that they carry out.
        config: of the machines.
        options: of the run.
        journal: of the launcher.
        rounds: told of a cell how many rounds are done.
    """

    def __init__(
        self,
        site: Site,
        name: str,
        cells: Sequence[Cell],
        config: Ec2Config,
        options: AwsOptions,
        journal: Journal,
        rounds: Callable[[Cell, int], None] = lambda _cell, _rounds: None,
    ) -> None:
        self._site, self.name, self._cells = site, name, tuple(cells)
        self._config, self._options, self._journal = config, options, journal
        self._rounds, self._keys = rounds, BucketKeys(site.tags.run)
        self._server, self._clients = "", list[str]()
        self._seen_rounds: dict[str, str] = {}

    def start_server(self) -> None:
        """Start the server's machine.

        Raises:
            FedloomError: AWS does not give it.
        """
        self._server = self._start(MachineRole.SERVER, 1)[0]

    def await_server(self) -> None:
        """Wait until the server answers for its first cell.

        Raises:
            RunFailedError: it gave up, ended, or did not answer in time.
        """
        first = self._cells[0].id
        key, limit_s = self._keys.ready(self.name, first), self._options.boot_limit_s
        over = f"{self._keys.part(first, 'server')}"
        until = monotonic() + min(limit_s, self._site.left_s)
        while not self._has(key):
            if self._has(f"{over}manifest.json"):
                return  # it failed at once, and says so there
            try:
                self._refuse_lost([self._server])
            except MachineLostError as error:
                raise RunFailedError(f"the server of {self.name} did not start: {error}") from error
            if monotonic() > until:
                raise RunFailedError(
                    f"the server's machine {self._server} did not answer within {limit_s:g} s; can "
                    "its subnet reach the bucket?"
                )
            sleep(self._options.poll_s)
        self._journal.note("server", "ready", self._server)

    def start_clients(self) -> None:
        """Start the clients' machines, all or none.

        Raises:
            FedloomError: AWS does not give them.
        """
        self._clients = self._start(MachineRole.CLIENT, self._cells[0].clients)

    def await_cell(self, cell: Cell) -> CellParts:
        """Wait until a cell's results are handed in, and return what is there of them.

        Raises:
            MachineLostError: a machine of it ended before.
            RunFailedError: the time of the run is up.
        """
        cloud, bucket = self._site.cloud, self._site.bucket
        while True:
            parts = find_parts(cloud, bucket, self._keys, cell)
            if "server" in parts.lists:
                return self._await_clients(cell, parts)
            self._tell_rounds(cell)
            try:
                self._refuse_lost([self._server, *self._late_clients(parts)])
            except MachineLostError:
                if "server" in find_parts(cloud, bucket, self._keys, cell).lists:
                    continue  # it ended because it was done
                raise
            if self._site.left_s < 0:
                raise RunFailedError(
                    f"the run's limit of {self._options.max_hours:g} h is reached in {cell.id}; "
                    "--resume with another --max-hours goes on"
                )
            sleep(self._options.poll_s)

    def end(self) -> None:
        """End all machines and wait until they are gone.

        Raises:
            FedloomError: they are not gone in time.
        """
        site, options = self._site, self._options
        end_machines(
            site.cloud,
            site.tags.run,
            self.name,
            also=[one for one in (self._server, *self._clients) if one],
            limit_s=options.end_limit_s,
            poll_s=options.poll_s,
        )
        self._journal.note("machines", "removed", self.name)

    def _start(self, role: MachineRole, count: int) -> list[str]:
        site, options = self._site, self._options
        served = role is MachineRole.SERVER
        order = StartOrder(
            machine=self._config.server if served else self._config.clients,
            found=site.server if served else site.client,
            count=count,
            subnet=site.subnet,
            firewall=site.firewall,
            profile=site.profile,
            user_data=self._render(role),
            spot=options.spot,
            token=uuid4().hex,
        )
        tags = Tags(site.tags.run, site.tags.expires, self.name)
        with self._journal.step(f"{role}-machines", self.name):
            ids = start_machines(site.cloud, order, tags, poll_s=options.poll_s)
        self._journal.note(f"{role}-machines", "started", " ".join(ids))
        return ids

    def _render(self, role: MachineRole) -> str:
        site, options = self._site, self._options
        order = MachineOrder(
            run=site.tags.run,
            role=role,
            group=self.name,
            cells=tuple(cell.id for cell in self._cells),
            bucket=site.bucket,
            region=site.cloud.region,
            port=options.port,
            ready_limit_s=options.boot_limit_s,
            upload_every_s=max(1.0, min(_UPLOAD_EVERY_S, 3 * options.poll_s)),
            look_every_s=min(2.0, options.poll_s),
        )
        return render_user_data(
            order,
            sums_sha256=site.bundle.sums_sha256,
            wheel=site.bundle.wheel,
            limit_s=site.until - monotonic(),
        )

    def _await_clients(self, cell: Cell, parts: CellParts) -> CellParts:
        """Give clients a while to hand in, as long as their machines live."""
        until = monotonic() + self._options.farewell_s
        while parts.missing and monotonic() < until:
            late = self._late_clients(parts)
            states = {m.id: m for m in describe_machines(self._site.cloud, late)}
            if late and not any(one in states and states[one].alive for one in late):
                return find_parts(self._site.cloud, self._site.bucket, self._keys, cell)
            sleep(self._options.poll_s)
            parts = find_parts(self._site.cloud, self._site.bucket, self._keys, cell)
        return parts

    def _late_clients(self, parts: CellParts) -> list[str]:
        missing = set(parts.missing)
        return [one for i, one in enumerate(self._clients) if f"client-{i}" in missing]

    def _refuse_lost(self, ids: list[str]) -> None:
        known = {machine.id: machine for machine in describe_machines(self._site.cloud, ids)}
        for one in ids:
            fault = self._read(self._keys.fault(self.name, one))
            if fault:
                raise MachineLostError(
                    f"{self._spell(one)} gave up: {' '.join(fault.split())[:600]}"
                )
            machine: Machine | None = known.get(one)
            if machine is not None and not machine.alive:
                reason = f" ({machine.reason})" if machine.reason else ""
                raise MachineLostError(f"{self._spell(one)} is {machine.state}{reason}")

    def _spell(self, machine: str) -> str:
        if machine == self._server:
            return f"the server's machine {machine}"
        return f"the machine {machine} of client_{self._clients.index(machine) + 1}"

    def _tell_rounds(self, cell: Cell) -> None:
        prefix = f"{self._keys.part(cell.id, 'server')}records/rounds.csv"
        for one in list_keys(self._site.cloud, self._site.bucket, prefix):
            if self._seen_rounds.get(cell.id) != one["ETag"]:
                self._seen_rounds[cell.id] = one["ETag"]
                text = self._read(one["Key"])
                self._rounds(cell, max(0, text.count("\n") - 1))

    def _has(self, key: str) -> bool:
        return any(one["Key"] == key for one in list_keys(self._site.cloud, self._site.bucket, key))

    def _read(self, key: str) -> str:
        if not self._has(key):
            return ""
        with aws_errors(f"read {key}"):
            return read_object(self._site.cloud.s3, self._site.bucket, key).decode(
                "utf-8", "replace"
            )
