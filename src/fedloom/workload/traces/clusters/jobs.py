"""What all traces of clusters share: a model for each kind of devices that jobs ask for."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedloom.workload.traces.clusters.gpu_types import job_memory_gb
from fedloom.workload.traces.imported import ImportOptions
from fedloom.workload.traces.job import TraceModel

__all__ = ["JobModels"]


@dataclass(slots=True)
class JobModels:
    """The models of jobs: one for each number, share and type of GPUs.

    A job's memory is its share of the devices it ran on, and its duration includes loading, so the
    models load in no time. Jobs without a GPU are the utility model ``cpu``.

    Attributes:
        options: `gpu_memory_gb` is used.
    """

    options: ImportOptions
    _models: dict[tuple[int, int, str], TraceModel] = field(default_factory=dict)

    def get(self, gpus: int, kind: str = "", milli: int = 1_000) -> TraceModel:
        """Return the model of jobs with so many GPUs.

        Args:
            gpus: devices of the gang.
            kind: their type; empty: any.
            milli: thousandths of each device.

        Example:
            >>> models = JobModels(ImportOptions())
            >>> models.get(2, "T4").model_id, models.get(1, "", 500).model_id
            ('gpu2_T4', 'gpu1_500m')
        """
        key = (gpus, milli, kind)
        if (model := self._models.get(key)) is None:
            model = self._models[key] = self._make(gpus, milli, kind)
        return model

    def _make(self, gpus: int, milli: int, kind: str) -> TraceModel:
        if not gpus:
            return TraceModel("cpu", "utility", 1.0, 0)
        share = f"_{milli}m" if milli != 1_000 else ""
        suffix = f"_{kind}" if kind else ""
        memory = job_memory_gb(gpus, milli, kind, self.options)
        return TraceModel(f"gpu{gpus}{share}{suffix}", "job", memory, gpus)
