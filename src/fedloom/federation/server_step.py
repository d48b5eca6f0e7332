"""The server's part of a round: from the reducer's state to new global weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fedloom.errors import RunFailedError
from fedloom.federation.algorithm import Algorithm
from fedloom.federation.fleet import Reply
from fedloom.federation.reduce import mean_by_examples
from fedloom.federation.weights import Array, Weights
from fedloom.randomness import derive_generator

if TYPE_CHECKING:
    import optax

__all__ = ["LoopState", "Server", "begin"]


@dataclass(frozen=True)
class LoopState:
    """What goes from round to round, a pytree beside the round's number.

    Attributes:
        round: the last finished round; 0 before the first.
        weights: the global weights.
        server: the server optimizer's state.
        shared: what the objective sends to every client.
    """

    round: int
    weights: Weights
    server: Any
    shared: Any


def begin(algorithm: Algorithm, weights: Weights, trainable_indices: Sequence[int]) -> LoopState:
    """Return the state before the first round."""
    trained = [weights[i] for i in trainable_indices]
    with _precision_of(trained):
        return LoopState(
            round=0,
            weights=weights,
            server=algorithm.server.init(trained),
            shared=algorithm.objective.init_shared(trained),
        )


class Server:
    """Steps the global weights of one run.

    Args:
        algorithm: how the server steps.
        sizes: training rows of every client.
        trainable_indices: positions of the arrays that the server optimizer steps.
        cohort: clients chosen for a round; the noise of a private algorithm is measured by it.
        seed: the run's seed.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        sizes: Sequence[int],
        trainable_indices: Sequence[int],
        cohort: int,
        seed: int,
    ) -> None:
        self.algorithm = algorithm
        self._sizes, self._trainable = list(sizes), list(trainable_indices)
        self._cohort, self._seed = cohort, seed
        self._optimize = _compile_step(algorithm.server)

    def resize(self, sizes: Sequence[int]) -> None:
        """Note the training rows of all clients, of which more may have joined."""
        self._sizes = list(sizes)

    def step(self, number: int, state: LoopState, reply: Reply) -> LoopState:
        """Return the state after round `number`, given what the fleet answered.

        Without any accepted update the weights stay, unless noise is due. The reply's state is used
        up: with large weights there is no room for it beside what is made of it.

        Raises:
            RunFailedError: the new weights are not finite.
        """
        accepted = [r.client for r in reply.results if r.failure is None]
        if not accepted and self.algorithm.privacy is None:
            return replace(state, round=number)
        weights, optimizer = self._move(state, self._finish(number, reply))
        if not all(np.isfinite(w).all() for w in weights):
            raise RunFailedError(
                f"round {number}: the global weights are no longer finite; "
                "lower learning_rate or server_learning_rate"
            )
        return LoopState(number, weights, optimizer, self._share(state, reply, accepted))

    def _finish(self, number: int, reply: Reply) -> Weights:
        """Return the aggregated difference, with noise where the algorithm adds some."""
        reducer = self.algorithm.reducer
        aggregate = (reducer.settle or reducer.finish)(reply.state)
        for index, array in enumerate(aggregate):
            aggregate[index] = np.asarray(array)
        if self.algorithm.privacy is None:
            return aggregate
        noise = derive_generator(self._seed, "privacy noise", number)
        return self.algorithm.privacy.add_noise(aggregate, noise, self._cohort)

    def _move(self, state: LoopState, aggregate: Weights) -> tuple[Weights, Any]:
        """Let the optimizer step what is trainable; the rest takes the difference as it is."""
        trained = [state.weights[i] for i in self._trainable]
        stepped, optimizer = self._optimize(
            state.server, trained, _hand_over(aggregate, self._trainable)
        )
        found = dict(zip(self._trainable, stepped, strict=True))
        moved = [
            np.asarray(found[i] if i in found else weight + aggregate[i], weight.dtype)
            for i, weight in enumerate(state.weights)
        ]
        return moved, optimizer

    def _share(self, state: LoopState, reply: Reply, accepted: Sequence[int]) -> Any:
        """Return what the objective sends to every client in the next round."""
        if not self.algorithm.objective.stateful or not accepted:
            return state.shared
        fraction = sum(self._sizes[c] for c in accepted) / sum(self._sizes)
        drift = mean_by_examples().finish(reply.drift)
        return self.algorithm.objective.finish_round(state.shared, drift, fraction)


def _compile_step(
    server: optax.GradientTransformation,
) -> Callable[[Any, Weights, Iterable[Array]], tuple[Weights, Any]]:
    """Return the optimizer's step as one function; array by array it takes much longer.

    The new weights take the place of the difference, which JAX copied for itself.
    """
    import jax
    import optax

    @partial(jax.jit, donate_argnums=2)
    def compiled(state: Any, weights: Weights, difference: Weights) -> tuple[Weights, Any]:
        updates, moved = server.update([-d for d in difference], state, weights)
        return optax.apply_updates(weights, updates), moved

    def step(state: Any, weights: Weights, difference: Iterable[Array]) -> tuple[Weights, Any]:
        with _precision_of(weights):
            taken = [jax.device_put(array).block_until_ready() for array in difference]
            stepped: tuple[Weights, Any] = compiled(state, weights, taken)
        return stepped

    return step


def _hand_over(aggregate: list[Array | None], places: Sequence[int]) -> Iterator[Array]:
    """Yield the arrays at some places, and keep none that was taken."""
    for place in places:
        array, aggregate[place] = aggregate[place], None
        yield array


def _precision_of(weights: Weights) -> AbstractContextManager[Any]:
    """Let JAX compute in float64 where there are such weights; by itself it rounds to float32."""
    if not any(w.dtype == np.float64 for w in weights):
        return nullcontext()
    import jax

    # Under its older name until JAX 0.8.
    home = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
    enable = getattr(home, "enable_x64")  # noqa: B009 - no type stub has both
    return cast("AbstractContextManager[Any]", enable(True))
