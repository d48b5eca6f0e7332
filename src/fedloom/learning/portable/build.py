"""The portable trainer on the backend of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedloom.learning.framework import keras

if TYPE_CHECKING:
    from fedloom.learning.portable.framework_calls import FrameworkCalls

__all__ = ["find_calls", "share_keras_draws"]


def find_calls() -> FrameworkCalls:
    """Return what is the framework's own, of the framework that Keras uses."""
    if keras.config.backend() == "torch":
        from fedloom.learning.portable.torch_calls import torch_calls

        return torch_calls()
    from fedloom.learning.portable.tensorflow_calls import tensorflow_calls

    return tensorflow_calls()


def share_keras_draws() -> None:
    """Let Keras draw on this process' backend what it would draw on JAX."""
    from keras.src.backend import random

    from fedloom.learning.portable.draws import share_draws

    drawer: Any
    choose: Any
    if keras.config.backend() == "torch":
        from fedloom.learning.portable.torch_calls import choose_torch, draw_torch

        drawer, choose = draw_torch, choose_torch
    else:
        from fedloom.learning.portable.tensorflow_calls import choose_tensorflow, draw_tensorflow

        drawer, choose = draw_tensorflow, choose_tensorflow
    share_draws(random, drawer, choose=choose)
