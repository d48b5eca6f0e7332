"""Scoring weights on the test part, one batch after the other."""

from __future__ import annotations

from typing import Any

from fedloom.federation.fleet import Evaluation
from fedloom.learning.score_sheet import EVALUATION_BATCH, EvaluationSums
from fedloom.learning.step_trainer import StepTrainer

__all__ = ["Scorer"]


class Scorer:
    """Scores weights on the test part, batch by batch.

    Args:
        trainer: scores a batch.
    """

    def __init__(self, trainer: StepTrainer) -> None:
        self._trainer = trainer
        self._batch = trainer.compile_score()

    def score(self, weights: Any, row_count: int) -> Evaluation:
        """Score weights on the first `row_count` of the trainer's test rows."""
        test, total = self._trainer.test_rows, EvaluationSums(0.0, 0.0)
        placed = self._trainer.place(weights)
        for start in range(0, row_count, EVALUATION_BATCH):
            rows = test.features[start : start + EVALUATION_BATCH]
            labels = test.labels[start : start + EVALUATION_BATCH]
            count = min(EVALUATION_BATCH, row_count - start)
            sums = self._batch(placed, rows, labels, count)
            total = EvaluationSums(total.loss + float(sums.loss), total.hits + float(sums.hits))
        return self._trainer.summarise(total, row_count)
