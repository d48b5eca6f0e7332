"""Best fit: a task goes where it leaves the least memory over."""

from __future__ import annotations

from collections.abc import Sequence

from fedloom.scheduling.policies.demand import DemandAware
from fedloom.scheduling.policies.options import read_numbers
from fedloom.scheduling.policy import Devices, Setting
from fedloom.scheduling.task import Task

__all__ = ["BestFit"]


class BestFit(DemandAware):
    """In order of readiness; a model already resident is used, else the tightest gap is filled.

    Large gaps stay whole for large models, and models stay resident side by side.
    """

    name = "best-fit"

    def prepare(self, setting: Setting) -> None:
        """Begin; there are no options."""
        super().prepare(setting)
        read_numbers(self.name, setting.options, {})

    def place(self, task: Task, devices: Devices) -> tuple[int, ...] | None:
        """Return the devices that would have the least free memory left."""
        return min(
            devices.candidates(task),
            key=lambda gpus: self._waste(task, devices, gpus),
            default=None,
        )

    def _waste(
        self, task: Task, devices: Devices, gpus: Sequence[int]
    ) -> tuple[bool, bool, int, int]:
        """Return the order of preference: no switch, no eviction, least left over, first to end."""
        switch_us = devices.switch_us(task, gpus)
        left_mb = []
        for gpu in gpus:
            resident = devices.resident(gpu)
            is_there = switch_us == 0 and task.model in resident
            free_mb = devices.memory_mb(gpu) - sum(resident.values())
            left_mb.append(free_mb if is_there else free_mb - task.memory_mb)
        end_us = switch_us + devices.run_us(task, gpus)
        return switch_us > 0, min(left_mb) < 0, sum(map(abs, left_mb)), end_us
