"""Keras, imported in one place, on JAX unless another backend was chosen before.

Keras fixes its backend when it is first imported, and its own default is a framework that Fedloom
does not bring. Where TensorFlow is installed, Keras imports it on any backend, only to seed it;
that takes seconds and hundreds of megabytes, so Keras is told that it is not there.
"""

from __future__ import annotations

import os
import sys

if "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
from keras.src.utils.module_utils import tensorflow as _lazy_tensorflow

__all__ = ["keras"]

if keras.config.backend() != "tensorflow" and "tensorflow" not in sys.modules:
    _lazy_tensorflow._available = False
