"""What all traces of language models share: the model, and time from tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedloom.workload.traces.imported import ImportOptions
from fedloom.workload.traces.job import Job, TraceModel
from fedloom.workload.units import MICROSECONDS

__all__ = ["LLM_NODE", "CallMaker", "workflow_of"]

LLM_NODE = "generate"
"""The only node of the workflows of such traces."""

_LINK_GB_PER_S = 16.0
_LOAD_OVERHEAD_S = 2.0


@dataclass(slots=True)
class CallMaker:
    """Makes jobs of calls of language models.

    Loading a model takes its memory over a link of 16 GB/s, plus two seconds.

    Attributes:
        options: rates, memory and GPUs of the models.
    """

    options: ImportOptions
    _models: dict[str, TraceModel] = field(default_factory=dict)

    def make(
        self,
        time_us: int,
        workflow: str,
        tokens: tuple[int, int],
        *,
        model: str = "llm",
        duration_us: int | None = None,
        request_id: str = "",
        tenant: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> Job:
        """Return the job of a call; without a duration, its time follows from its tokens."""
        measured = duration_us is not None
        if duration_us is None:
            duration_us = self._duration_us(*tokens)
        known = self._models.get(model) or self._add_model(model, measured)
        return Job(
            time_us, workflow, known, duration_us, request_id, tenant, None, tokens,
            extra=extra or {},
        )  # fmt: skip

    def _duration_us(self, given: int, made: int) -> int:
        seconds = made / self.options.tokens_per_second
        if (prefill := self.options.prefill_tokens_per_second) is not None:
            seconds += given / prefill
        return round(seconds * MICROSECONDS)

    def _add_model(self, model: str, measured: bool) -> TraceModel:
        memory, gpus = self.options.memory_gb, self.options.gpus_required
        load_s = round(memory / _LINK_GB_PER_S + _LOAD_OVERHEAD_S, 3)
        gpus = 1 if gpus is None else gpus
        added = TraceModel(model, "llm", memory, gpus, load_s, LLM_NODE, measured)
        self._models[model] = added
        return added


def workflow_of(path: Path) -> str:
    """Return the workflow that a file's calls become: its name without suffixes.

    Example:
        >>> workflow_of(Path("data/AzureLLMInferenceTrace_code.csv.gz"))
        'AzureLLMInferenceTrace_code'
    """
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name
