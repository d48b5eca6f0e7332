"""The backends agree: weights that a model starts with, steps, noise, memory and scores."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from fedloom.errors import InputError, MissingExtraError
from fedloom.learning import backend as backends
from fedloom.learning.backend import check_backend, limit_threads, list_backends

from .backend_cases import CASES

LIMIT_S = 600
SCRIPT = Path(__file__).with_name("backend_cases.py")


def carry_out(backend: str, folder: Path) -> dict[str, np.ndarray]:
    file = folder / f"{backend}.npz"
    command = [sys.executable, str(SCRIPT), backend, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr[-4000:]
    with np.load(file) as found:
        return dict(found)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return carry_out("jax", tmp_path_factory.mktemp("jax"))


@pytest.fixture(scope="module", params=["torch", "tensorflow"])
def found(request, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return carry_out(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("case", [case.name for case in CASES])
def test_a_case_is_the_same_as_on_jax(case, expected, found):
    keys = [key for key in expected if key.startswith(f"{case}/")]
    assert sorted(keys) == sorted(key for key in found if key.startswith(f"{case}/"))
    for key in keys:
        loose = key.removeprefix(f"{case}/").startswith(("memory", "drift"))
        tolerance = 1e-3 if loose else 2e-4
        np.testing.assert_allclose(
            found[key], expected[key], rtol=tolerance, atol=tolerance, err_msg=key
        )


def test_models_start_with_the_same_weights_and_move(expected, found):
    for key in (key for key in expected if "/start/" in key):
        np.testing.assert_allclose(found[key], expected[key], rtol=2e-6, atol=2e-7, err_msg=key)
    for case in CASES:
        first, last = f"{case.name}/start/0", f"{case.name}/round 2/0"
        assert np.abs(found[first] - found[last]).max() > 1e-3


def test_a_process_that_computes_with_jax_imports_no_other_framework(expected):
    assert expected["other frameworks"].tolist() == []


def test_a_backend_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    for name in ("torch", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        with pytest.raises(MissingExtraError, match=rf"fedloom\[{name}\]"):
            check_backend(name.upper())
    assert list_backends() == []


def test_a_process_has_one_backend():
    import keras

    assert keras.config.backend() == "jax"
    with pytest.raises(InputError, match="in use with 'jax' in this process"):
        check_backend("torch")


def test_one_thread_leaves_what_was_asked_for():
    limited = limit_threads({"OMP_NUM_THREADS": "3", "XLA_FLAGS": "--x=1", "HOME": "/h"})
    assert limited["OMP_NUM_THREADS"] == "3"
    assert limited["TF_NUM_INTRAOP_THREADS"] == "1"
    assert limited["HOME"] == "/h"
    assert limited["XLA_FLAGS"].startswith("--x=1 --xla_cpu_multi_thread_eigen=false")
