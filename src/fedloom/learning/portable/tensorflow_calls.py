"""TensorFlow's part in a step: one `tf.function` for step and gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fedloom.learning.portable.draws import Draw, draw
from fedloom.learning.portable.framework_calls import FrameworkCalls

__all__ = ["choose_tensorflow", "differentiate", "draw_tensorflow", "tensorflow_calls"]


def tensorflow_calls() -> FrameworkCalls:
    """Return TensorFlow's part in a step."""
    return FrameworkCalls(
        place=tf.convert_to_tensor,
        fetch=_fetch,
        differentiate=differentiate,
        compile=tf.function,
    )


def _fetch(tensor: Any) -> NDArray[Any]:
    return np.array(tensor)


def differentiate(
    function: Callable[[list[Any]], tuple[Any, Any]], arrays: Sequence[Any]
) -> tuple[tuple[Any, Any], list[Any]]:
    """Return what a function gives, and the gradient of its first value."""
    watched = [tf.identity(array) for array in arrays]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(watched)
        value, more = function(watched)
    zero = tf.UnconnectedGradients.ZERO
    gradient = tape.gradient(value, watched, unconnected_gradients=zero)
    return (value, more), [tf.convert_to_tensor(part) for part in gradient]


def draw_tensorflow(seed: Any, what: Draw) -> Any:
    """Draw inside a graph or outside."""
    drawn = tf.numpy_function(
        lambda key: np.array(draw(key, what)), [seed], tf.as_dtype(what.dtype), stateful=False
    )
    return tf.ensure_shape(drawn, what.shape)


def choose_tensorflow(mask: Any, values: Any) -> Any:
    """Return the values, and zeros where the mask is False."""
    return tf.where(mask, values, tf.zeros((), values.dtype))
