"""Plain Keras models, rewritten: outputs, new state and gradients stay the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import pytest
from keras import layers

from fedloom.learning.rewrite import rewrite_for_loops

from .rewrite_checks import COMPILE_FAST, assert_close, normal, primitives


def plain() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(4, 5, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Conv2D(6, 5, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dense(3),
        ]
    )


def with_state() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            layers.Conv2D(4, 3, strides=2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.3),
            layers.AveragePooling2D(2, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def residual() -> keras.Model:
    image = keras.Input((8, 8, 2))
    start = layers.Conv2D(4, 3, padding="same", activation="gelu")(image)
    inner = layers.Conv2D(4, 3, strides=2, padding="same")(start)
    inner = layers.GroupNormalization(2)(inner)
    inner = layers.Conv2D(4, 3, padding="same", groups=2)(inner)
    joined = layers.Add()([inner, layers.Conv2D(4, 1, strides=2)(start)])
    return keras.Model(image, layers.Dense(3)(layers.GlobalMaxPooling2D()(joined)))


def sequences() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((20, 3)),
            layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu"),
            layers.MaxPool1D(2),
            layers.SeparableConv1D(4, 3),
            layers.GRU(5),
            layers.Dense(3),
        ]
    )


def separable() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            layers.SeparableConv2D(4, 3, padding="same"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, activation="gelu"),
            layers.MaxPool2D(3, 2, padding="same"),
            layers.Conv2DTranspose(3, 3, 2),
            layers.GlobalAveragePooling2D(),
        ]
    )


# How many convolutions stay: those without channel groups of one, a group each.
MODELS: dict[Callable[[], keras.Model], int] = {
    plain: 2,
    with_state: 1,
    residual: 5,
    sequences: 2,
    separable: 2,
}


@pytest.mark.parametrize(
    ("build", "convolutions"), MODELS.items(), ids=lambda v: getattr(v, "__name__", str(v))
)
def test_training_step_is_the_same(build: Callable[[], keras.Model], convolutions: int) -> None:
    keras.utils.set_random_seed(0)
    model = build()
    weights = [variable.value for variable in model.trainable_variables]
    state = [variable.value for variable in model.non_trainable_variables]
    x = normal(4, *model.input_shape[1:])

    def forward(weights: Any, state: Any, x: jax.Array) -> Any:
        return model.stateless_call(weights, state, x, training=True)

    rewritten = rewrite_for_loops(forward, weights, state, x)
    names = list(primitives(jax.make_jaxpr(rewritten)(weights, state, x)))
    assert names.count("conv_general_dilated") == convolutions
    assert "reduce_window_max" not in names

    def loss(function: Callable[..., Any]) -> Callable[..., Any]:
        def of(weights: Any) -> Any:
            outputs, new_state = function(weights, state, x)
            return (jax.nn.log_softmax(outputs)[:, 1]).mean(), (outputs, new_state)

        return jax.jit(jax.value_and_grad(of, has_aux=True), compiler_options=COMPILE_FAST)

    assert_close(loss(rewritten)(weights), loss(forward)(weights), 2e-5)


def test_gradient_of_the_compiled_step_holds_no_slow_form() -> None:
    """The forms that a loop makes slow: windows as large as the image, and searches for winners."""
    model = plain()
    weights = [variable.value for variable in model.trainable_variables]
    x = normal(4, 12, 12, 1)

    def forward(weights: Any, x: jax.Array) -> jax.Array:
        return model.stateless_call(weights, [], x, training=True)[0]

    def traced(function: Callable[..., Any]) -> Any:
        return jax.make_jaxpr(jax.grad(lambda w: function(w, x).sum()))(weights)

    def spatial_axes_are_in_the_middle(jaxpr: Any) -> bool:
        return all(
            equation.params["dimension_numbers"].rhs_spec[2:] == (0, 1)
            and equation.params["dimension_numbers"].lhs_spec[2:] == (1, 2)
            and equation.params["dimension_numbers"].lhs_spec[1] == 3
            for equation in jaxpr.eqns
            if equation.primitive.name == "conv_general_dilated"
        )

    before, after = traced(forward), traced(rewrite_for_loops(forward, weights, x))
    assert not spatial_axes_are_in_the_middle(before)
    assert spatial_axes_are_in_the_middle(after)
    assert any(name.startswith("select_and_") for name in primitives(before))
    assert not any(name.startswith("select_and_") for name in primitives(after))
