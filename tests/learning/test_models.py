"""Models: the built-in ones, a user's own, and one line for each thing that can be wrong."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from fedloom.data.dataset import Task
from fedloom.errors import ModelError, UnknownNameError
from fedloom.learning.losses import OutputKind, read_output_kind
from fedloom.learning.model_names import is_user_model, short_model_name
from fedloom.learning.models import build_model
from fedloom.learning.optimizers import build_optimizer

GOOD = """
import keras
def build_model(feature_shape, outputs):
    return keras.Sequential([keras.Input(feature_shape), keras.layers.Dense(outputs)])
def wide(outputs):
    return keras.Sequential([keras.layers.Dense(7), keras.layers.Dense(outputs)])
class Own(keras.Model):
    def __init__(self, outputs):
        super().__init__()
        self.last = keras.layers.Dense(outputs)
    def call(self, rows):
        return keras.ops.softmax(self.last(rows))
"""


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    return path


def values(model):
    return [np.asarray(v.value) for v in model.weights]


def kernels(model):
    return [w.shape for w in model.weights if len(w.shape) > 1]


# Built-in


@pytest.mark.parametrize(
    ("name", "shape", "hidden", "expected"),
    [
        ("logistic", (5,), None, [(5, 3)]),
        ("logistic", (4, 4, 1), None, [(16, 3)]),
        ("MLP", (5,), None, [(5, 64), (64, 3)]),
        ("mlp", (2, 3), (7, 6), [(6, 7), (7, 6), (6, 3)]),
        ("mlp", (5,), (), [(5, 3)]),
        ("cnn", (8, 8, 1), (9,), [(3, 3, 1, 32), (3, 3, 32, 64), (256, 9), (9, 3)]),
        ("cnn", (28, 28, 1), (512,), [(5, 5, 1, 32), (5, 5, 32, 64), (3136, 512), (512, 3)]),
    ],
)
def test_built_in_models_are_sized_by_the_data(name, shape, hidden, expected):
    assert kernels(build_model(name, shape, 3, hidden=hidden)) == expected


def test_the_seed_determines_the_initial_weights_and_nothing_else():
    python, numpy = random.getstate(), np.random.get_state()
    first, again, other = (values(build_model("mlp", (5,), 3, seed=s)) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], numpy[1])


@pytest.mark.parametrize(
    ("name", "shape", "hidden", "words"),
    [
        ("cnn", (13,), None, "at least 4×4 pixels, not rows of shape (13,)"),
        ("cnn", (3, 8, 1), None, "at least 4×4 pixels"),
        ("logistic", (13,), (5,), "'logistic' has no hidden layer"),
    ],
)
def test_built_in_models_that_do_not_fit(name, shape, hidden, words):
    with pytest.raises(ModelError) as caught:
        build_model(name, shape, 3, hidden=hidden)
    assert words in str(caught.value)


def test_unknown_names_get_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'logistic'"):
        build_model("logistik", (4,), 3)
    with pytest.raises(UnknownNameError, match="did you mean 'momentum'"):
        build_optimizer("momentun", 0.1)


# A user's own


def test_a_file_a_function_of_it_and_a_module(model_file, monkeypatch):
    assert kernels(build_model(str(model_file), (4,), 3)) == [(4, 3)]
    assert kernels(build_model(f"{model_file}:wide", (4,), 3)) == [(4, 7), (7, 3)]
    monkeypatch.chdir(model_file.parent)
    path = list(sys.path)
    assert kernels(build_model("mine:wide", (4,), 3)) == [(4, 7), (7, 3)]
    assert kernels(build_model("mine:", (4,), 3)) == [(4, 3)]
    assert sys.path == path


def test_a_class_whose_weights_come_with_its_first_call(model_file):
    model = build_model(f"{model_file}:Own", (4,), 3)
    assert kernels(model) == [(4, 3)]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
def test_a_saved_model_keeps_its_weights(tmp_path):
    model = build_model("mlp", (4,), 3, seed=9)
    path = tmp_path / "saved.keras"
    model.save(path)
    loaded = build_model(str(path), (4,), 3, seed=1)
    assert all(map(np.array_equal, values(model), values(loaded)))


WRONG = {
    "raises.py": "import keras\ndef build_model():\n    raise ValueError('two\\nlines')",
    "exits.py": "raise SystemExit(3)",
    "syntax.py": "def build_model(:",
    "imports.py": "import no_such_module_at_all",
    "number.py": "def build_model():\n    return 3",
    "nothing.py": "x = 1",
    "width.py": "import keras\ndef build_model(feature_shape):\n"
    "    return keras.Sequential([keras.Input(feature_shape), keras.layers.Dense(5)])",
    "image.py": "import keras\ndef build_model(outputs):\n"
    "    return keras.Sequential([keras.Input((9,)), keras.layers.Dense(outputs)])",
    "flat.py": "import keras\ndef build_model(feature_shape):\n"
    "    return keras.Sequential([keras.Input(feature_shape), keras.layers.Flatten(),"
    " keras.layers.Reshape((4, 1))])",
    "two.py": "import keras\ndef build_model(feature_shape, outputs):\n"
    "    rows = keras.Input(feature_shape)\n    return keras.Model(rows, [\n"
    "        keras.layers.Dense(outputs)(rows), keras.layers.Dense(outputs)(rows)])",
    "frozen.py": "import keras\ndef build_model(feature_shape, outputs):\n"
    "    return keras.Sequential([keras.Input(feature_shape),"
    " keras.layers.Dense(outputs, trainable=False)])",
}
WORDS = {
    "raises.py": "raised ValueError: two lines",
    "exits.py": "raised SystemExit: 3",
    "syntax.py": "raised SyntaxError: invalid syntax (syntax.py, line 1)",
    "imports.py": "raised ModuleNotFoundError: No module named 'no_such_module_at_all'",
    "number.py": "the function returned int, no model",
    "nothing.py": "has no function 'build_model'",
    "width.py": "gives outputs of shape (None, 5); this data set needs (rows, 3)",
    "image.py": "does not take rows of shape (4,)",
    "flat.py": "gives outputs of shape (None, 4, 1); this data set needs (rows, 3)",
    "two.py": "gives several outputs; this data set needs (rows, 3)",
    "frozen.py": "has no trainable weights",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_gets_one_line(name, tmp_path):
    (tmp_path / name).write_text(WRONG[name])
    with pytest.raises(ModelError) as caught:
        build_model(str(tmp_path / name), (4,), 3)
    assert WORDS[name] in str(caught.value)
    assert name in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{}/absent.py", "absent.py does not exist"),
        ("{}/absent.py:build", "absent.py does not exist"),
        ("{}/absent.keras", "absent.keras does not exist"),
        ("{}/broken.keras", "broken.keras cannot be read by Keras"),
        ("{}/mine.py:narrow", "has no function 'narrow'"),
        ("no_such_module:build", "model module 'no_such_module' cannot be imported"),
        (":build", "model module '' cannot be imported"),
    ],
)
def test_a_place_where_no_model_is(name, words, model_file):
    (model_file.parent / "broken.keras").write_bytes(b"no zip file\nat all")
    with pytest.raises(ModelError) as caught:
        build_model(name.format(model_file.parent), (4,), 3)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_hidden_is_for_built_in_models(model_file):
    with pytest.raises(ModelError, match=r"hidden: .* is a model of its own"):
        build_model(str(model_file), (4,), 3, hidden=(5,))


def test_names_of_user_models():
    assert is_user_model("nets.py")
    assert is_user_model("pkg.nets:build")
    assert is_user_model("a/b.keras")
    assert not is_user_model("mlp")
    assert short_model_name("/home/ann/nets/wide.py:build") == "wide.py:build"
    assert short_model_name("cnn") == "cnn"


# What the outputs are


def output_kind(last, task=Task.CLASSIFICATION):
    rows = keras.Input((4,))
    return read_output_kind(keras.Model(rows, last(rows)), task)


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (lambda x: keras.layers.Dense(3)(x), OutputKind.LOGITS),
        (lambda x: keras.layers.Dense(3, activation="relu")(x), OutputKind.LOGITS),
        (lambda x: keras.layers.Dense(3, activation="softmax")(x), OutputKind.PROBABILITIES),
        (lambda x: keras.layers.Dense(3, activation="sigmoid")(x), OutputKind.PROBABILITIES),
        (lambda x: keras.layers.Softmax()(keras.layers.Dense(3)(x)), OutputKind.PROBABILITIES),
        (lambda x: keras.ops.softmax(keras.layers.Dense(3)(x)), OutputKind.PROBABILITIES),
        (
            lambda x: keras.Sequential([keras.layers.Dense(3, activation="softmax")])(x),
            OutputKind.PROBABILITIES,
        ),
    ],
)
def test_logits_or_probabilities(last, kind):
    assert output_kind(last) is kind
    assert output_kind(last, Task.REGRESSION) is OutputKind.VALUE


# The backend


def test_a_process_that_uses_another_backend_is_told_so():
    code = (
        "import keras\n"
        "from fedloom.errors import InputError\n"
        "from fedloom.learning import use_backend\n"
        "try:\n    use_backend('jax')\n"
        "except InputError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"KERAS_BACKEND": "numpy", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Keras is in use with 'numpy'" in done.stdout


def test_unknown_backend():
    from fedloom.learning import use_backend

    with pytest.raises(UnknownNameError, match="unknown backend 'jaks': did you mean 'jax'"):
        use_backend("jaks")
