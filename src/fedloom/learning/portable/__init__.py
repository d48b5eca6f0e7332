"""The trainer in operations that all of Keras' backends share, for those other than JAX.

It computes what `fedloom.learning.trainer.KerasTrainer` does: the same loss, the same optimizers,
the same initial weights and the same noise in layers, within float rounding.
"""

from __future__ import annotations

__all__: list[str] = []
