"""What nodes do with orders: train a Keras model on their own data, or run a package."""

from __future__ import annotations

from fedloom.fleet.flower.handlers.choice import ByTrainer
from fedloom.fleet.flower.handlers.keras import KerasHandler, keras_settings
from fedloom.fleet.flower.handlers.package import PackageHandler, PackageSite, package_settings

__all__ = [
    "ByTrainer",
    "KerasHandler",
    "PackageHandler",
    "PackageSite",
    "keras_settings",
    "package_settings",
]
