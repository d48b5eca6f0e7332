"""Backfilling: while the first task waits for its gang, others use what it cannot yet use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fedloom.scheduling.policies.demand import DemandAware
from fedloom.scheduling.policies.options import read_numbers
from fedloom.scheduling.policies.reservation import Reservation, Reservations
from fedloom.scheduling.policy import Devices, Placement, Queue, Setting
from fedloom.scheduling.task import Task

__all__ = ["Backfill"]


class _Seat(NamedTuple):
    """Devices on which tasks of one model could start now, and how long it would switch."""

    gpus: tuple[int, ...]
    switch_us: int
    is_free: bool
    """Whether none of the devices is reserved."""


class Backfill(DemandAware):
    """First come, first served, with EASY backfilling.

    The first task that must wait gets a reservation: the devices that will be free first by the
    estimates. Later tasks start only where they do not delay it: on other devices, or if they are
    expected to end in time (Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995). Among the
    devices that allow it, a task takes those on which it ends first.

    Options:
        lookahead: how many later tasks are looked at; 64.
    """

    name = "backfill"

    def prepare(self, setting: Setting) -> None:
        """Read how far to look."""
        super().prepare(setting)
        numbers = read_numbers(self.name, setting.options, {"lookahead": 64.0})
        self._lookahead = int(numbers["lookahead"])
        self._reservations: Reservations | None = None

    def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
        """Place in order; then backfill around the reservation of the first that waits."""
        if self._reservations is None:
            self._reservations = Reservations(devices.cluster)
        yield from super().choose(queue, devices)
        head = queue.first()
        if head is not None and devices.idle:
            yield from self._fill(head, queue, devices, self._reservations)

    def started(self, task: Task, gpus: Sequence[int], end_us: int) -> None:
        """Note how long the devices will be busy."""
        super().started(task, gpus, end_us)
        if self._reservations is not None:
            self._reservations.started(gpus, end_us)

    def ended(self, task: Task, gpus: Sequence[int]) -> None:  # noqa: ARG002
        """Note that the devices are idle."""
        if self._reservations is not None:
            self._reservations.ended(gpus)

    def _fill(
        self, head: Task, queue: Queue, devices: Devices, reservations: Reservations
    ) -> Iterator[Placement]:
        reserved = reservations.reserve(head, devices)
        seats: dict[str, list[_Seat]] = {}
        for task in queue.in_order(self._lookahead + 1):
            if task is head:
                continue
            if task.model not in seats:
                seats[task.model] = _seats(task, devices, reserved)
            if gpus := _best(task, devices, seats[task.model], reserved.start_us):
                yield Placement(task, gpus)
                if not devices.idle:
                    return
                # What ends in time may stand in for an idle device that was reserved.
                reserved = reservations.reserve(head, devices)
                seats.clear()


def _seats(task: Task, devices: Devices, reserved: Reservation) -> list[_Seat]:
    return [
        _Seat(gpus, devices.switch_us(task, gpus), reserved.gpus.isdisjoint(gpus))
        for gpus in devices.candidates(task)
    ]


def _best(
    task: Task, devices: Devices, seats: Sequence[_Seat], start_us: int
) -> tuple[int, ...] | None:
    """Return the devices on which the task ends first without delaying the reservation."""
    best, best_us = None, 0
    for seat in seats:
        end_us = devices.now_us + seat.switch_us + devices.run_us(task, seat.gpus)
        if (seat.is_free or end_us <= start_us) and (best is None or end_us < best_us):
            best, best_us = seat.gpus, end_us
    return best
