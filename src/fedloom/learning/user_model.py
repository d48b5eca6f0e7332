"""Loading a user's own Keras model from a module, a Python file or a saved model."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

from fedloom.errors import FedloomError, ModelError
from fedloom.learning.describe import describe_error

__all__ = ["load_user_model"]

DEFAULT_FUNCTION = "build_model"
"""The function looked for in a Python file where none is named."""

_WRONG = (Exception, SystemExit)
"""What code of the user's may end with: anything but an interrupt."""


def load_user_model(name: str, feature_shape: tuple[int, ...], outputs: int) -> keras.Model:
    """Load or build the model that `name` points to.

    Args:
        name: ``module:function``, ``file.py:function``, ``file.py`` (function ``build_model``)
            or a model saved by Keras (``.keras``, ``.h5``).
        feature_shape: handed to a function that has a parameter of that name.
        outputs: likewise.

    Raises:
        ModelError: nothing is there, or what is there raises or returns no Keras model.
    """
    if Path(name).suffix in {".keras", ".h5"}:
        return _load_saved(Path(name))
    source, _, function_name = name.rpartition(":") if ":" in name else (name, "", "")
    module = _import_file(Path(source)) if source.endswith(".py") else _import_module(source)
    function = getattr(module, function_name or DEFAULT_FUNCTION, None)
    if not callable(function):
        raise ModelError(
            f"model {name!r}: {source} has no function {function_name or DEFAULT_FUNCTION!r}"
        )
    model = _call(name, function, {"feature_shape": feature_shape, "outputs": outputs})
    if not isinstance(model, keras.Model):
        raise ModelError(f"model {name!r}: the function returned {type(model).__name__}, no model")
    return model


def _call(name: str, function: Any, offered: dict[str, Any]) -> Any:
    parameters = inspect.signature(function).parameters
    wanted = {key: value for key, value in offered.items() if key in parameters}
    try:
        return function(**wanted)
    except FedloomError:
        raise
    except _WRONG as error:
        raise ModelError(f"model {name!r} raised {describe_error(error)}") from error


def _load_saved(path: Path) -> Any:
    if not path.is_file():
        raise ModelError(f"model file {path} does not exist")
    try:
        return keras.saving.load_model(path, compile=True)
    except Exception as error:  # Keras raises many kinds for a broken file
        raise ModelError(
            f"model file {path} cannot be read by Keras: {describe_error(error)}"
        ) from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ModelError(f"model file {path} does not exist")
    spec = spec_from_file_location(f"fedloom_user_model_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ModelError(f"model file {path} is no Python source file")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except _WRONG as error:
        raise ModelError(f"model file {path} raised {describe_error(error)}") from error
    return module


def _import_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return import_module(name)
    except _WRONG as error:
        raise ModelError(
            f"model module {name!r} cannot be imported: {describe_error(error)}"
        ) from error
    finally:
        sys.path.remove(here)
