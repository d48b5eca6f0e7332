"""Keras, imported in one place, on JAX unless another backend was chosen before.

Keras fixes its backend when it is first imported, and its own default is a framework that Fedloom
does not bring.
"""

from __future__ import annotations

import os
import sys

if "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

__all__ = ["keras"]
