"""The compiled program of a lane: clients one after another inside one function.

An outer loop goes over clients, an inner one over a client's batches, both with trip counts that
are known only at run time, so nothing is padded to the largest client. At a client's end its update
is folded into the reducer's state, and the next client starts from the global weights. The cost of
a round grows with the number of batches and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fedloom.federation.reduce import Reducer, Update, mean_by_examples
from fedloom.federation.weights import measure_norm
from fedloom.learning.trainer import EVALUATION_BATCH, EvaluationSums, KerasTrainer

__all__ = ["LaneTable", "LaneYield", "build_evaluation", "build_lane"]


class LaneTable(NamedTuple):
    """What a lane trains in a round; see `fedloom.learning.batches.BatchTable`.

    Arrays are longer than needed, so that rounds with other cohorts need no other program.
    """

    rows: Any
    counts: Any
    first: Any
    lengths: Any
    examples: Any
    noise_keys: Any


class LaneYield(NamedTuple):
    """What a lane hands out after some clients; arrays have one entry per client slot.

    Attributes:
        fold: the reducer's state; empty where the reducer keeps updates.
        drift: state of the mean over what the objective returns.
        losses: mean training loss.
        norms: L2 norm of the update; not finite where the client diverged.
        weights: what each client ended with, stacked; empty where nobody asked for them.
        client_states: what the objective remembers of each client from now on, stacked.
    """

    fold: Any
    drift: Any
    losses: Any
    norms: Any
    weights: Any
    client_states: Any


def build_lane(
    trainer: KerasTrainer, reducer: Reducer, slots: int, *, keep_weights: bool
) -> Callable[..., LaneYield]:
    """Return the function that trains the clients `low` … `high` - 1 of a lane's table.

    Args:
        trainer: gives the steps.
        reducer: folds the updates, unless it keeps them.
        slots: the most clients in one call.
        keep_weights: hand out each client's weights.

    Returns:
        ``run(weights, shared, fold, drift, client_states, table, features, labels, low, high)``,
        to be compiled by the caller; `client_states` are stacked by slot.
    """
    objective = trainer.objective
    drift_mean = mean_by_examples()
    learning_rate = trainer.settings.learning_rate

    def run(
        weights: Any,
        shared: Any,
        fold: Any,
        drift: Any,
        client_states: Any,
        table: LaneTable,
        features: Any,
        labels: Any,
        low: Any,
        high: Any,
    ) -> LaneYield:
        anchor = [weights[i] for i in trainer.trainable_indices]

        def train(k: Any, memory: Any) -> tuple[Any, Any]:
            start = trainer.begin(weights, table.noise_keys[k])

            def batch(b: Any, carry: Any) -> Any:
                state, loss = carry
                rows, count = table.rows[b], table.counts[b]
                taken = features.at[rows].get(mode="promise_in_bounds")
                wanted = labels.at[rows].get(mode="promise_in_bounds")
                state, mean = trainer.step(state, anchor, memory, shared, taken, wanted, count)
                return state, loss + mean * count

            first = table.first[k]
            done: tuple[Any, Any] = lax.fori_loop(
                first, first + table.lengths[k], batch, (start, jnp.float32(0))
            )
            return done

        def client(k: Any, carry: LaneYield) -> LaneYield:
            slot = k - low
            memory = jax.tree.map(lambda a: a[slot], carry.client_states)
            state, loss = train(k, memory)
            ended = trainer.finish(state)
            delta = [new - old for new, old in zip(ended, weights, strict=True)]
            norm, examples = measure_norm(delta), table.examples[k].astype(jnp.float32)
            accepted = jnp.isfinite(norm) & (table.lengths[k] > 0)
            folded = carry.fold
            if not reducer.keeps_updates:
                folded = reducer.add(carry.fold, Update(delta, examples))
            drifted, remembered = carry.drift, memory
            if objective.stateful:
                reached = [ended[i] for i in trainer.trainable_indices]
                remembered, moved = objective.finish_client(
                    memory, shared, anchor, reached, table.lengths[k], learning_rate
                )
                drifted = drift_mean.add(carry.drift, Update(moved, examples))
            seen = jnp.maximum(table.examples[k] * trainer.settings.epochs, 1)
            return LaneYield(
                _choose(accepted, folded, carry.fold),
                _choose(accepted, drifted, carry.drift),
                carry.losses.at[slot].set(loss / seen),
                carry.norms.at[slot].set(norm),
                _put(carry.weights, slot, ended) if keep_weights else (),
                _put(carry.client_states, slot, _choose(accepted, remembered, memory)),
            )

        empty = jnp.zeros(slots, jnp.float32)
        stack = [jnp.zeros((slots, *w.shape), w.dtype) for w in weights] if keep_weights else ()
        start = LaneYield(fold, drift, empty, empty, stack, client_states)
        done: LaneYield = lax.fori_loop(low, high, client, start)
        return done

    return run


def build_evaluation(trainer: KerasTrainer, slots: int) -> Callable[..., EvaluationSums]:
    """Return the function that scores stacked weights on a range of batches of the test part.

    Returns:
        ``run(stack, clients, features, labels, first_batch, last_batch, row_count)`` giving sums
        for each of `slots` clients, to be compiled by the caller.
    """

    def run(
        stack: Any, clients: Any, features: Any, labels: Any, low: Any, high: Any, count: Any
    ) -> EvaluationSums:
        def score(k: Any, sums: EvaluationSums) -> EvaluationSums:
            weights = [w[k] for w in stack]

            def batch(b: Any, sums: EvaluationSums) -> EvaluationSums:
                start = b * EVALUATION_BATCH
                rows = lax.dynamic_slice_in_dim(features, start, EVALUATION_BATCH)
                wanted = lax.dynamic_slice_in_dim(labels, start, EVALUATION_BATCH)
                left = jnp.clip(count - start, 0, EVALUATION_BATCH)
                scored = trainer.score_batch(weights, rows, wanted, left)
                return EvaluationSums(sums.loss + scored.loss, sums.hits + scored.hits)

            zero = EvaluationSums(jnp.float32(0), jnp.float32(0))
            done = lax.fori_loop(low, high, batch, zero)
            return EvaluationSums(sums.loss.at[k].set(done.loss), sums.hits.at[k].set(done.hits))

        empty = jnp.zeros(slots, jnp.float32)
        sums: EvaluationSums = lax.fori_loop(0, clients, score, EvaluationSums(empty, empty))
        return sums

    return run


def _choose(condition: Any, new: Any, old: Any) -> Any:
    """Take `new` where the condition holds: never by multiplication, since 0 × NaN is NaN."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _put(stack: Any, slot: Any, values: Any) -> Any:
    return jax.tree.map(lambda s, v: s.at[slot].set(v), stack, values)
