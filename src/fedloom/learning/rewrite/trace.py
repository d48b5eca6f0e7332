"""Evaluate a traced function again, with slow operations replaced by fast ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxpr_as_fun

from fedloom.errors import ModelError
from fedloom.learning.rewrite.convolution import convolution_replacement
from fedloom.learning.rewrite.pooling import max_pool_replacement

__all__ = ["rewrite_for_loops"]

Rule = Callable[[JaxprEqn, Sequence[Any]], list[Any]]


def rewrite_for_loops(function: Callable[..., Any], *example_args: Any) -> Callable[..., Any]:
    """Return ``function`` with the same values and gradients, fast in a compiled loop on a CPU.

    Rewritten are 1-D and 2-D convolutions (strided, padded, dilated, transposed, grouped,
    depthwise) and max pools, also inside ``jit``, ``checkpoint``, ``cond``, ``scan`` and
    ``while``. Everything else is kept as traced: average pools and dense layers are fast already,
    and a function with gradients of its own keeps them (a ``custom_vjp`` always, a ``custom_jvp``
    unless it holds something to rewrite), so the stable gradients of activations and losses stay.

    The result works under ``jit``, ``grad``, ``vmap`` and inside loops, on every platform. It is
    worth its while on CPUs only, and supports reverse-mode differentiation only: the replacements
    carry their own gradients, which forward mode cannot use.

    Args:
        function: a traceable function of pytrees of arrays, such as a model's forward pass.
        example_args: arrays or ``jax.ShapeDtypeStruct`` with the shapes and dtypes of every
            later call; the result accepts no others.

    Returns:
        A function of the same arguments; ``function`` itself where there is nothing to rewrite.

    Raises:
        ModelError: when the result is called with other shapes, dtypes or structure.
    """
    closed, out_shape = jax.make_jaxpr(function, return_shape=True)(*example_args)
    if not _holds_replaceable(closed.jaxpr):
        return function
    in_tree: Any = jax.tree.structure(example_args)
    out_tree: Any = jax.tree.structure(out_shape)

    def rewritten(*args: Any) -> Any:
        flat, structure = jax.tree.flatten(args)
        if structure != in_tree:
            raise ModelError(
                f"the arguments are {structure}; the function was traced for {in_tree}"
            )
        _check_arrays(flat, closed.in_avals)
        return jax.tree.unflatten(out_tree, _evaluate(closed, flat))

    return rewritten


def _check_arrays(arrays: Sequence[Any], expected: Sequence[Any]) -> None:
    for position, (array, aval) in enumerate(zip(arrays, expected, strict=True)):
        given = jax.typeof(array)
        if (given.shape, given.dtype) != (aval.shape, aval.dtype):
            raise ModelError(
                f"array {position} of the arguments is {given.dtype}{list(given.shape)}; "
                f"the function was traced for {aval.dtype}{list(aval.shape)}"
            )


def _evaluate(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """Run a traced function equation by equation; the heart of the rewriter."""
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        results = _apply(jaxpr, equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(whole: Jaxpr, equation: JaxprEqn, inputs: Sequence[Any]) -> list[Any]:
    replacement = _replacement(equation)
    if replacement is not None:
        return [replacement(*inputs)]
    rule = _INSIDE.get(equation.primitive.name)
    if rule is not None and any(map(_holds_replaceable, _inner_jaxprs(equation))):
        return rule(equation, inputs)
    return _as_traced(whole, equation, inputs)


def _as_traced(whole: Any, equation: JaxprEqn, inputs: Sequence[Any]) -> list[Any]:
    """Evaluate one equation of ``whole`` unchanged, by JAX's own rules."""
    given = [
        (atom, value)
        for atom, value in zip(equation.invars, inputs, strict=True)
        if not isinstance(atom, Literal)
    ]
    alone = whole.replace(
        constvars=[],
        invars=[atom for atom, _ in given],
        outvars=equation.outvars,
        eqns=[equation],
        effects=equation.effects,
    )
    return list(jaxpr_as_fun(ClosedJaxpr(alone, ()))(*(value for _, value in given)))


def _replacement(equation: JaxprEqn) -> Callable[..., jax.Array] | None:
    if equation.primitive.name == "conv_general_dilated":
        return convolution_replacement(equation)
    if equation.primitive.name == "reduce_window_max":
        return max_pool_replacement(equation)
    return None


def _holds_replaceable(jaxpr: Jaxpr) -> bool:
    return any(
        _replacement(equation) is not None
        or (
            equation.primitive.name in _INSIDE
            and any(map(_holds_replaceable, _inner_jaxprs(equation)))
        )
        for equation in jaxpr.eqns
    )


def _inner_jaxprs(equation: JaxprEqn) -> Iterator[Jaxpr]:
    for value in equation.params.values():
        for inner in value if isinstance(value, tuple | list) else (value,):
            if isinstance(inner, ClosedJaxpr):
                yield inner.jaxpr
            elif isinstance(inner, Jaxpr):
                yield inner


def _inline(name: str) -> Rule:
    """Evaluate the function held by parameter ``name`` as part of the caller."""
    return lambda equation, inputs: _evaluate(equation.params[name], inputs)


def _checkpoint(equation: JaxprEqn, inputs: Sequence[Any]) -> list[Any]:
    params = equation.params
    closed = ClosedJaxpr(params["jaxpr"], ())
    again = jax.checkpoint(
        lambda *args: _evaluate(closed, args),
        prevent_cse=params["prevent_cse"],
        policy=params["policy"],
    )
    return list(again(*inputs))


def _branch(closed: ClosedJaxpr) -> Callable[..., list[Any]]:
    return lambda *operands: _evaluate(closed, operands)


def _cond(equation: JaxprEqn, inputs: Sequence[Any]) -> list[Any]:
    branches = [_branch(closed) for closed in equation.params["branches"]]
    return list(lax.switch(inputs[0], branches, *inputs[1:]))


def _scan(equation: JaxprEqn, inputs: Sequence[Any]) -> list[Any]:
    params = equation.params
    first_carry = params["num_consts"]
    first_x = first_carry + params["num_carry"]

    def body(carry: list[Any], xs: list[Any]) -> tuple[list[Any], list[Any]]:
        outputs = _evaluate(params["jaxpr"], [*inputs[:first_carry], *carry, *xs])
        return outputs[: params["num_carry"]], outputs[params["num_carry"] :]

    carry, ys = lax.scan(
        body,
        list(inputs[first_carry:first_x]),
        list(inputs[first_x:]),
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *ys]


def _while(equation: JaxprEqn, inputs: Sequence[Any]) -> list[Any]:
    params = equation.params
    first_body = params["cond_nconsts"]
    first_carry = first_body + params["body_nconsts"]
    for_condition, for_body = inputs[:first_body], inputs[first_body:first_carry]
    final = lax.while_loop(
        lambda carry: _evaluate(params["cond_jaxpr"], [*for_condition, *carry])[0],
        lambda carry: _evaluate(params["body_jaxpr"], [*for_body, *carry]),
        list(inputs[first_carry:]),
    )
    return list(final)


# The primitives whose inner functions are rewritten too. A custom_vjp is not among them: its
# gradient is the author's, and inlining would lose it.
_INSIDE: dict[str, Rule] = {
    "jit": _inline("jaxpr"),
    "pjit": _inline("jaxpr"),
    "closed_call": _inline("call_jaxpr"),
    "custom_jvp_call": _inline("call_jaxpr"),
    "checkpoint": _checkpoint,
    "remat2": _checkpoint,  # its name in JAX 0.10
    "cond": _cond,
    "scan": _scan,
    "while": _while,
}
