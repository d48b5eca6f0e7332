"""The provider: machines on EC2 for a study's cells, and nothing left when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from fedloom.bench.aws.cloud import Cloud, open_cloud, require_credentials
from fedloom.bench.aws.collect import CellParts, collect_cell, salvage_cell
from fedloom.bench.aws.group import GroupMachines, MachineLostError
from fedloom.bench.aws.journal import Journal, locate_journal, uninterrupted
from fedloom.bench.aws.machine_config import Ec2Config
from fedloom.bench.aws.names import BucketKeys, name_group
from fedloom.bench.aws.options import AwsOptions
from fedloom.bench.aws.prices import bound_cost, refuse_dear, table_date
from fedloom.bench.aws.site import Site, SiteMaker
from fedloom.bench.aws.undo import Undo
from fedloom.bench.cell_id import Cell
from fedloom.bench.estimate import estimate_seconds
from fedloom.bench.outcome import CellOutcome, CellStatus, read_outcome, write_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.provider import CellNews, Estimate, Observer, Stage
from fedloom.bench.study import FleetKind, Study
from fedloom.errors import DataError, FedloomError, InputError, RunFailedError

__all__ = ["AwsProvider"]


class AwsProvider:
    """Machines of EC2; see `fedloom.bench.provider.Provider` for the calls.

    Args:
        study: whose cells.
        place: of the run.
        config: of the machines.
        options: of the run.
        observer: told how cells get on.
        tell: called with what is done, a sentence each.
        cloud: None opens one when it is entered.

    Raises:
        InputError: the study is for another fleet.
    """

    def __init__(
        self,
        study: Study,
        place: RunPlace,
        config: Ec2Config,
        options: AwsOptions,
        *,
        observer: Observer = lambda _: None,
        tell: Callable[[str], None] = lambda _: None,
        cloud: Cloud | None = None,
    ) -> None:
        if study.fleet is not FleetKind.FLOWER:
            raise InputError(f"fleet={study.fleet}: machines of AWS have the fleet flower")
        self._study, self._place, self._config, self._options = study, place, config, options
        self._observer, self._tell, self._cloud = observer, tell, cloud
        self.journal = Journal(locate_journal(place.path))
        self._undo = Undo(self.journal)
        self._keys = BucketKeys(place.path.name)
        self._site: Site | None = None
        self._unfetched: list[Cell] = []

    def __enter__(self) -> Self:
        """Make bucket, role and security group, after all that can be checked is checked.

        Raises:
            FedloomError: something is wrong; what was made is undone.
        """
        cloud = self._cloud or open_cloud(self._options.region)
        self._cloud = cloud
        bound = bound_cost(self._study.cells(), self._config, self._options, cloud.region)
        refuse_dear(bound, self._options)
        require_credentials(cloud)
        maker = SiteMaker(cloud, self._place.path.name, self._options, self.journal, self._undo)
        try:
            self._site = maker.make(self._study, self._config, self._tell)
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End machines and undo everything; the bucket stays where results are not fetched.

        Raises:
            RunFailedError: something could not be undone.
        """
        self._leave(error)

    def carry_out(self, cells: Sequence[Cell]) -> Iterator[CellOutcome]:
        """Carry out cells; those of one backend and number of clients share machines.

        Raises:
            CapacityError: AWS does not give the machines.
            RunFailedError: machines do not start, or the time of the run is up.
            FedloomError: AWS cannot be reached or used any more.
        """
        for name, members in groupby(cells, key=name_group):
            left, number = list(members), 1
            while left:
                machines = self._gather(name if number == 1 else f"{name}.{number}", left)
                yield from self._carry_out_group(machines, left)
                number += 1

    def estimate(self, study: Study) -> Estimate:
        """Return how long a study takes and what it costs at most; AWS is asked nothing."""
        region = self._cloud.region if self._cloud is not None else None
        if region is None:
            with suppress(FedloomError):
                region = open_cloud(self._options.region).region
        bound = bound_cost(study.cells(), self._config, self._options, region)
        notes = [
            f"at most {bound.machines} machines at a time in {region or 'no region yet'}: one "
            f"{self._config.server.instance_type} and {bound.machines - 1} x "
            f"{self._config.clients.instance_type}, for at most {bound.hours:g} h",
            f"prices are of {table_date()}, without data transfer and the bucket's storage",
        ]
        if bound.unknown:
            notes.append(f"no price is known of {', '.join(bound.unknown)}: say it with --price")
        seconds = estimate_seconds(study, self._place.path.parent)
        return Estimate(seconds, bound.usd, notes)

    def _gather(self, name: str, cells: Sequence[Cell]) -> GroupMachines:
        assert self._site is not None
        machines = GroupMachines(
            self._site, name, cells, self._config, self._options, self.journal, self._tell_rounds
        )
        first = cells[0]
        if self._site.left_s < 0:
            raise RunFailedError(
                f"the run's limit of {self._options.max_hours:g} h is reached before {first.id}; "
                "--resume with another --max-hours goes on"
            )
        self._observer(CellNews(first, Stage.STARTING))
        self._tell(f"starting the server of {name}")
        machines.start_server()
        machines.await_server()
        self._tell(f"the server answers; starting {first.clients} clients")
        self._observer(CellNews(first, Stage.WAITING))
        machines.start_clients()
        return machines

    def _carry_out_group(self, machines: GroupMachines, left: list[Cell]) -> Iterator[CellOutcome]:
        """Carry out cells until none is left or a machine is lost; each one done leaves `left`."""
        lost = False
        while left and not lost:
            cell, started = left[0], datetime.now(UTC)
            self._unfetched.append(cell)
            self._observer(CellNews(cell, Stage.WAITING))
            try:
                outcome = self._fetch(cell, machines.await_cell(cell), started)
            except MachineLostError as error:
                lost, outcome = True, self._fail(cell, str(error), started)
            self.journal.note("cell", outcome.status, cell.id)
            left.pop(0)
            if lost or not left:
                machines.end()
            if lost:
                self._salvage(cell, self._place.cell(cell).path / "output")
            yield outcome

    def _fetch(self, cell: Cell, parts: CellParts, started: datetime) -> CellOutcome:
        """Bring a cell's results here, and return how it ended."""
        site, place = self._site, self._place.cell(cell)
        assert site is not None
        try:
            collect_cell(site.cloud, site.bucket, self._keys, cell, parts, place)
        except DataError as error:
            return self._fail(cell, str(error), started)
        if parts.missing:
            self._tell(f"{cell.id}: no results of {', '.join(parts.missing)}")
        else:
            self._unfetched.remove(cell)
        outcome = read_outcome(place.outcome)
        if outcome is None:
            ends = [f"{part} {how}" for part, how in parts.ends.items()]
            outcome = self._fail(cell, "; ".join(ends) or "its server left no outcome", started)
        return outcome

    def _fail(self, cell: Cell, reason: str, started: datetime) -> CellOutcome:
        outcome = CellOutcome(
            run=self._place.path.name,
            cell=cell.id,
            backend=cell.backend,
            strategy=cell.strategy,
            clients=cell.clients,
            repeat=cell.repeat,
            seed=self._study.plan_of(cell).seed,
            status=CellStatus.FAILED,
            reason=" ".join(reason.split()),
            started=started.isoformat(timespec="seconds"),
            target_score=self._study.target_score,
        )
        write_outcome(self._place.cell(cell).outcome, outcome)
        return outcome

    def _salvage(self, cell: Cell, folder: Path) -> int:
        assert self._site is not None
        return salvage_cell(self._site.cloud, self._site.bucket, self._keys, cell, folder)

    def _tell_rounds(self, cell: Cell, rounds: int) -> None:
        self._observer(CellNews(cell, Stage.LEARNING, rounds))

    def _leave(self, error: BaseException | None) -> None:
        """Undo everything; what cannot be undone is told, or raised where nothing else is."""
        run = self._place.path.name
        if error is not None:
            self._tell("ending everything that was started; this takes a few minutes at most")
        with uninterrupted():
            faults = [*self._settle_bucket(error), *self._undo.run()]
        if not faults:
            return
        message = f"{'; '.join(faults)}; 'fedloom bench clean --run {run}' removes what is left"
        if error is None:
            raise RunFailedError(f"not everything could be undone: {message}")
        self._tell(message)

    def _settle_bucket(self, error: BaseException | None) -> list[str]:
        """Keep the bucket where it holds results that are nowhere else; after Ctrl-C get them."""
        if self._site is None or not self._unfetched:
            return []
        cells, run = ", ".join(cell.id for cell in self._unfetched), self._place.path.name
        if error is not None and not isinstance(error, Exception):
            try:
                for cell in self._unfetched:
                    self._salvage(cell, self._place.path / ".aws" / "partial" / cell.id)
            except FedloomError as fault:
                return [f"the logs of {cells} are lost: {fault}"]
            return []
        self._undo.drop("bucket")
        self.journal.note("bucket", "kept", self._site.bucket)
        self._tell(
            f"results of {cells} are not complete, so the bucket {self._site.bucket} is kept: "
            f"'fedloom bench fetch {run}' gets what is in it, and 'fedloom bench clean --run "
            f"{run}' removes it"
        )
        return []
