"""PyTorch's part in a step.

A step is traced once, with its gradient, into one flat graph of PyTorch's operations, which is then
run as it is: neither Keras nor autograd is asked again, and no compiler is needed. On a processor
this is what `benchmarks/backends` found to be fastest for small models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as tree

from fedloom.learning.framework import keras
from fedloom.learning.portable.draws import Draw, draw
from fedloom.learning.portable.framework_calls import FrameworkCalls

__all__ = ["Traced", "choose_torch", "differentiate", "draw_torch", "torch_calls"]


def torch_calls() -> FrameworkCalls:
    """Return PyTorch's part in a step."""
    return FrameworkCalls(place=_place, fetch=_fetch, differentiate=differentiate, compile=Traced)


def _place(array: Any) -> Any:
    return keras.ops.convert_to_tensor(np.ascontiguousarray(array))


def _fetch(tensor: Any) -> NDArray[Any]:
    return np.array(tensor.detach().cpu())


def differentiate(
    function: Callable[[list[Any]], tuple[Any, Any]], arrays: Sequence[Any]
) -> tuple[tuple[Any, Any], list[Any]]:
    """Return what a function gives, and the gradient of its first value."""
    with torch.enable_grad():
        leaves = [array.detach().requires_grad_() for array in arrays]
        value, more = function(leaves)
        gradient = torch.autograd.grad(value, leaves, materialize_grads=True, allow_unused=True)
    return (value.detach(), tree.tree_map(_detach, more)), list(gradient)


def _detach(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf


class Traced:
    """A function of nested lists of tensors that is traced when first called.

    Args:
        function: traced anew whenever tensors come in another structure or of other shapes.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._graphs: dict[Any, tuple[Callable[..., Any], Any]] = {}

    def __call__(self, *given: Any) -> Any:
        """Call the function."""
        leaves, structure = tree.tree_flatten(given)
        place = structure, tuple(leaf.shape for leaf in leaves)
        with torch.no_grad():
            if place not in self._graphs:
                self._graphs[place] = self._trace(leaves, structure)
            graph, shape_of_result = self._graphs[place]
            return tree.tree_unflatten(graph(*leaves), shape_of_result)

    def _trace(self, leaves: list[Any], structure: Any) -> tuple[Callable[..., Any], Any]:
        found: list[Any] = []

        def flat(*tensors: Any) -> list[Any]:
            result = self._function(*tree.tree_unflatten(list(tensors), structure))
            results, shape_of_result = tree.tree_flatten(result)
            found.append(shape_of_result)
            return list(results)

        # Copies: a tensor given twice (the first step starts where the round did) is one input to
        # the tracer, and one of the two would be read in the place of the other.
        graph = make_fx(flat)(*(leaf.clone() for leaf in leaves))
        _tidy(graph)
        return graph, found[-1]


def _tidy(graph: Any) -> None:
    """Drop what only autograd needs and what nobody reads; keep images as they lie."""
    for node in list(graph.graph.nodes):
        if node.target is torch.ops.aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif _turns_image(node):
            node.kwargs = {"memory_format": torch.channels_last}
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _turns_image(node: Any) -> bool:
    """Whether a copy only turns images, channels first, for a pooling.

    Keras does so with rows that have their channels last; on a processor the pooling is several
    times faster on what they were before.
    """
    pooled = {torch.ops.aten.max_pool2d_with_indices.default, torch.ops.aten.avg_pool2d.default}
    return (
        node.target is torch.ops.aten.clone.default
        and node.kwargs.get("memory_format") is torch.contiguous_format
        and any(user.target in pooled for user in node.users)
    )


@torch.library.custom_op("fedloom::draw", mutates_args=())  # type: ignore[untyped-decorator]
def _draw(
    seed: torch.Tensor, kind: str, shape: Sequence[int], low: float, high: float, dtype: str
) -> torch.Tensor:
    drawn = draw(seed.cpu().numpy(), Draw(kind, tuple(shape), low, high, dtype))
    return torch.from_numpy(np.array(drawn)).to(seed.device)


def draw_torch(seed: Any, what: Draw) -> Any:
    """Draw as an operation of PyTorch's, which a trace records."""
    return torch.ops.fedloom.draw(seed, *what)


def choose_torch(mask: Any, values: Any) -> Any:
    """Return the values, and zeros where the mask is False."""
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device))
