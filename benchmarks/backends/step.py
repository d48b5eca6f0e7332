"""A client's steps on one backend beside other ways to them: `python -m backends.step torch`.

What Fedloom runs is timed beside the same step uncompiled, and beside the framework's own compiler
where Fedloom does not take it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.objective import plain
from fedloom.learning import LocalTraining, build_step_trainer, build_trainer
from fedloom.randomness import derive_generator
from harness.rate_times import RateTimes, make_times, parse_rate_options, print_rates
from harness.turns import take_turns

__all__ = ["measure_steps"]

_STEPS = {"mlp": 200, "cnn": 15}
_BATCH = 32
_CLASSES = 10


def measure_steps(backend: str, repeats: int) -> list[RateTimes]:
    """Time steps of both models with Adam on batches of 32 rows of 28×28, on one thread.

    Args:
        backend: jax, torch or tensorflow; of this process from then on.
        repeats: timed calls of each kind.
    """
    times = []
    for model, steps in _STEPS.items():
        training = LocalTraining(model, None, 1, 1, _BATCH, "adam", 0.001, backend)
        trainer = build_step_trainer(training, _make_dataset(), plain())
        own = partial(_walk, trainer, trainer.compile_step(), steps)
        for name, other in _list_others(trainer, training).items():
            turns = take_turns(own, partial(_walk, trainer, other, steps), repeats)
            times.append(make_times(f"step-{backend}-{model}-{name}", steps, turns, steps))
    return times


def _make_dataset() -> Dataset:
    generator = derive_generator(0, "steps")
    features = generator.normal(size=(_BATCH, 28, 28, 1)).astype(np.float32)
    labels = (np.arange(_BATCH) % _CLASSES).astype(np.int32)
    names = tuple(str(number) for number in range(_CLASSES))
    parts = features, labels, features, labels
    return Dataset("steps", Task.CLASSIFICATION, *parts, classes=names)


def _list_others(trainer: Any, training: LocalTraining) -> dict[str, Callable[..., Any]]:
    """Return other ways to the same step."""
    if training.backend == "jax":
        loops = build_trainer(training, trainer.dataset, plain(), fast_loops=True)
        return {"loops": loops.compile_step()}
    if training.backend == "torch":
        import torch

        compiled = torch.compile(trainer.step)
    else:
        import tensorflow as tf

        compiled = tf.function(trainer.step, jit_compile=True)
    return {"eager": _placed(trainer, trainer.step), "compiler": _placed(trainer, compiled)}


def _placed(trainer: Any, step: Callable[..., Any]) -> Callable[..., Any]:
    def take(state: Any, anchor: Any, own: Any, shared: Any, *batch: Any) -> Any:
        rows, labels, count = trainer.place([*batch[:2], np.int64(batch[2])])
        return step(state, anchor, own, shared, rows, labels, count)

    return take


def _walk(trainer: Any, step: Callable[..., Any], steps: int) -> float:
    weights = trainer.place(trainer.initial_weights)
    state = trainer.begin(weights, np.zeros(2, np.uint32))
    anchor = [weights[i] for i in trainer.trainable_indices]
    rows, labels = trainer.dataset.train_features, trainer.dataset.train_labels
    loss: Any = None
    for _ in range(steps):
        state, loss = step(state, anchor, [], [], rows, labels, _BATCH)
    return float(loss)


def main() -> None:
    """Run what the command line says."""
    given = parse_rate_options()
    print_rates(measure_steps(given.part or "jax", given.repeats))


if __name__ == "__main__":
    main()
