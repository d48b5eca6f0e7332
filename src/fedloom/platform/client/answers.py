"""What leaves a node: answers without what its owner keeps back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

from fedloom.fleet.flower.messages import Answer, Evaluated, Failed, Trained
from fedloom.fleet.package.reports import TRAIN_LOSS_NAMES, find_first
from fedloom.package.contract import list_scalars
from fedloom.platform.client.policy import Kind
from fedloom.platform.client.redaction import Redaction, hide_paths

__all__ = ["count_bytes", "redact_answer"]

_SCALARS = ("train_loss", "local_loss", "local_score")


def redact_answer(
    answer: Answer, redaction: Redaction, kind: Kind, paths: Sequence[Path]
) -> Answer:
    """Return an answer as it may leave.

    Args:
        answer: what a handler answered.
        redaction: what the owner keeps back.
        kind: of the code that was run.
        paths: places on this machine that nobody else is to know.
    """
    if isinstance(answer, Trained):
        return _redact_trained(answer, redaction, kind)
    if isinstance(answer, Evaluated):
        return _redact_evaluated(answer, redaction)
    if isinstance(answer, Failed):
        reason = redaction.reason(answer.reason, answer.tail)
        tail = [hide_paths(line, paths) for line in redaction.output(answer.tail)]
        return Failed(answer.failure, hide_paths(reason, paths), tail)
    return answer


def count_bytes(arrays: Sequence[Any]) -> int:
    """Return the bytes of some arrays."""
    return sum(int(array.nbytes) for array in arrays)


def _redact_trained(answer: Trained, redaction: Redaction, kind: Kind) -> Trained:
    metrics = redaction.apply(dict(answer.metrics))
    numbers: dict[str, Any] = {
        name: redaction.scalar(name, getattr(answer, name)) for name in _SCALARS
    }
    if kind is Kind.PACKAGE:  # its loss was found among the metrics, perhaps under another name
        loss = find_first(dict(list_scalars(metrics)), TRAIN_LOSS_NAMES)
        numbers["train_loss"] = redaction.scalar("train_loss", None if isnan(loss) else loss)
    return replace(answer, metrics=metrics, **numbers)


def _redact_evaluated(answer: Evaluated, redaction: Redaction) -> Evaluated:
    if answer.document is not None:
        document = redaction.apply(answer.document)
        return replace(answer, document=document, scalars=dict(list_scalars(document)))
    scalars = {name: redaction.scalar(name, value) for name, value in answer.scalars.items()}
    return replace(answer, scalars={n: v for n, v in scalars.items() if v is not None})
