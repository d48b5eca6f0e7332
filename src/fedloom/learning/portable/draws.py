"""The same random numbers on every backend: Keras' draws are made by JAX, whatever computes.

A model's initial weights and the noise of its layers come from `keras.random`, where each backend
has a generator of its own. Its functions are replaced by ones that ask JAX, with the key that Keras
would give JAX, so that one seed means one model and one dropout mask. What layers of Keras' own
seldom draw has no such form and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import ModelError

__all__ = ["Draw", "Drawer", "draw", "share_draws"]

_REFUSED = ("categorical", "shuffle", "gamma", "binomial", "beta")


class Draw(NamedTuple):
    """What is to be drawn.

    Attributes:
        kind: uniform, normal, truncated_normal, randint or bernoulli.
        shape: of the result.
        low: least value; the mean of a normal one, the probability of a bernoulli.
        high: bound of the values; the standard deviation of a normal one.
        dtype: of the result; a bernoulli gives bool.
    """

    kind: str
    shape: tuple[int, ...]
    low: float
    high: float
    dtype: str


Drawer: TypeAlias = Callable[[Any, Draw], Any]
"""From the backend's seed tensor, integers of shape (2,), and what to draw, to a tensor."""


def draw(seed: NDArray[Any], what: Draw) -> NDArray[Any]:
    """Draw with JAX on the processor.

    Args:
        seed: integers, shape (2,), whose lower 32 bits are the key.
        what: what to draw.
    """
    import jax

    with jax.default_device(_processor()):
        key = jax.numpy.asarray((np.asarray(seed).astype(np.int64) & 0xFFFFFFFF).astype(np.uint32))
        return np.asarray(_sample(key, what))


@cache
def _processor() -> Any:
    import jax

    return jax.devices("cpu")[0]


def _sample(key: Any, what: Draw) -> Any:
    from jax import random

    shape, dtype = what.shape, what.dtype
    match what.kind:
        case "uniform":
            return random.uniform(key, shape, dtype, minval=what.low, maxval=what.high)
        case "normal":
            return random.normal(key, shape, dtype) * what.high + what.low
        case "truncated_normal":
            sample = random.truncated_normal(key, -2.0, 2.0, shape, dtype)
            return sample * what.high + what.low
        case "randint":
            return random.randint(key, shape, int(what.low), int(what.high), dtype)
        case _:
            return random.bernoulli(key, what.low, shape)


def share_draws(module: ModuleType, drawer: Drawer, *, choose: Callable[..., Any]) -> None:
    """Replace the random functions of Keras' backend in this process; twice does no harm.

    Args:
        module: Keras' random functions of the backend in use.
        drawer: draws where the backend wants its tensor.
        choose: (mask, values) → the values, and zeros where the mask is False.
    """
    if getattr(module, "fedloom_draws", False):
        return
    replaced: dict[str, Callable[..., Any]] = {
        "uniform": _make_ranged(module, "uniform", drawer, 0.0, 1.0),
        "normal": _make_normal(module, "normal", drawer),
        "truncated_normal": _make_normal(module, "truncated_normal", drawer),
        "randint": _make_randint(module, drawer),
        "dropout": _make_dropout(module, drawer, choose),
        **{name: _make_refusal(name) for name in _REFUSED},
    }
    for name, function in replaced.items():
        setattr(module, name, function)
    module.fedloom_draws = True  # type: ignore[attr-defined]


def _is_symbolic(module: ModuleType, shape: Sequence[Any]) -> bool:
    """Whether Keras only wants to know shapes: nothing is drawn then."""
    if not all(isinstance(size, int | np.integer) for size in shape):
        return True
    get_device = getattr(module, "get_device", None)
    return get_device is not None and get_device() == "meta"


def _make_ranged(
    module: ModuleType, kind: str, drawer: Drawer, low: float, high: float
) -> Callable[..., Any]:
    original = getattr(module, kind)

    def ranged(
        shape: Sequence[Any],
        minval: Any = low,
        maxval: Any = high,
        dtype: Any = None,
        seed: Any = None,
    ) -> Any:
        if _is_symbolic(module, shape):
            return original(shape, minval, maxval, dtype=dtype, seed=seed)
        what = Draw(kind, _sizes(shape), float(minval), float(maxval), _name(module, dtype))
        return drawer(module.draw_seed(seed), what)

    return ranged


def _make_randint(module: ModuleType, drawer: Drawer) -> Callable[..., Any]:
    ranged = _make_ranged(module, "randint", drawer, 0, 0)

    def randint(
        shape: Sequence[Any], minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None
    ) -> Any:
        return ranged(shape, minval, maxval, dtype, seed)

    return randint


def _make_normal(module: ModuleType, kind: str, drawer: Drawer) -> Callable[..., Any]:
    original = getattr(module, kind)

    def normal(
        shape: Sequence[Any],
        mean: Any = 0.0,
        stddev: Any = 1.0,
        dtype: Any = None,
        seed: Any = None,
    ) -> Any:
        if _is_symbolic(module, shape):
            return original(shape, mean, stddev, dtype=dtype, seed=seed)
        what = Draw(kind, _sizes(shape), float(mean), float(stddev), _name(module, dtype))
        return drawer(module.draw_seed(seed), what)

    return normal


def _make_dropout(
    module: ModuleType, drawer: Drawer, choose: Callable[..., Any]
) -> Callable[..., Any]:
    original = module.dropout

    def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        given = tuple(inputs.shape)
        if _is_symbolic(module, given) or rate in (0.0, 1.0):
            return original(inputs, rate, noise_shape=noise_shape, seed=seed)
        wanted = noise_shape or given
        shape = tuple(
            size if wished is None else int(wished)
            for size, wished in zip(given, wanted, strict=True)
        )
        keep = 1.0 - rate
        mask = drawer(module.draw_seed(seed), Draw("bernoulli", shape, keep, 0.0, "bool"))
        return choose(mask, inputs / keep)

    return dropout


def _make_refusal(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise ModelError(
            f"a layer draws by keras.random.{name}, which gives other numbers on each backend; "
            "use backend jax for this model"
        )

    return refuse


def _sizes(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)


def _name(module: ModuleType, dtype: Any) -> str:
    from fedloom.learning.framework import keras

    name: str = keras.backend.standardize_dtype(dtype or module.floatx())
    return name
