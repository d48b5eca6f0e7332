"""The service models of ComfyUI workflows: one for each type and checkpoint, or class of node."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from fedloom.workload.traces.comfyui.graph import Graph, GraphNode
from fedloom.workload.traces.comfyui.node_classes import NODE_TYPES
from fedloom.workload.traces.comfyui.options import (
    SAMPLING_TYPES,
    Choice,
    choices_of,
    sampler_options,
    time_factors,
)
from fedloom.workload.traces.comfyui.widgets import WEIGHTS

__all__ = ["ComfyModels", "weights_of"]

_ROUTES = ("model", "guider", "clip", "vae", "control_net", "upscale_model", "clip_vision")
_SUFFIX = re.compile(r"\.(safetensors|ckpt|pth?|bin|gguf|sft|onnx)$", re.IGNORECASE)


@dataclass(slots=True)
class _Model:
    kind: str
    name: str
    options: dict[str, list[Choice]] = field(default_factory=dict)
    references: dict[str, Choice] = field(default_factory=dict)


@dataclass(slots=True)
class ComfyModels:
    """The models of all workflows of an import."""

    _models: dict[str, _Model] = field(default_factory=dict)

    def add(self, graph: Graph, node: GraphNode, kind: str) -> tuple[str, list[str]]:
        """Take in a node; return the id of its model and the options that it sets."""
        name = (weights_of(graph, node) if kind != "utility" else None) or node.class_name
        model_id = f"{kind}_{name}".replace(" ", "_")
        model = self._models.setdefault(model_id, _Model(kind, name))
        options = sampler_options(graph, node) if kind in SAMPLING_TYPES else {}
        for option, value in options.items():
            model.references.setdefault(option, value)
            known = model.options.setdefault(option, [])
            known += [one for one in choices_of(option, value) if one not in known]
        return model_id, list(options)

    def to_config(self) -> dict[str, Any]:
        """Return the models as a configuration spells them."""
        return {model_id: _spell(model) for model_id, model in self._models.items()}


def _spell(model: _Model) -> dict[str, Any]:
    needs = NODE_TYPES[model.kind]
    spelt: dict[str, Any] = {
        "name": model.name,
        "type": model.kind,
        "memory_gb": needs.memory_gb,
        "gpus_required": needs.gpus,
        "load_time_seconds": needs.memory_gb / 16 + 2 if needs.gpus else 0.0,
        "inference_time_mean": needs.seconds,
        "inference_time_std": needs.std,
    }
    if model.options:
        spelt["config"] = {option: _sorted(choices) for option, choices in model.options.items()}
        spelt["option_time_factors"] = _factors(model)
    return spelt


def _sorted(choices: list[Choice]) -> list[Choice]:
    """Return numbers ascending, words as they are."""
    numbers = [one for one in choices if not isinstance(one, str)]
    return sorted(numbers) if len(numbers) == len(choices) else choices


def _factors(model: _Model) -> dict[str, dict[str, float]]:
    """Return what the options do to the time: ``per`` for numbers that scale it."""
    found = {
        option: time_factors(option, _sorted(choices), model.references[option])
        for option, choices in model.options.items()
    }
    return {option: factors for option, factors in found.items() if factors}


def weights_of(graph: Graph, node: GraphNode) -> str | None:
    """Return the file of weights that a node calls, without its suffix; None: there is none.

    It stands in the node, or in the loader at the other end of its model, CLIP, VAE, ….
    """
    if name := _weights(node):
        return name
    routes = {link.name for link in graph.into(node.node_id)}
    for route in _ROUTES:
        if route in routes:
            along = (route, "model") if route == "guider" else (route,)
            for source in graph.follow(node.node_id, along):
                if name := _weights(source):
                    return name
    return None


def _weights(node: GraphNode) -> str | None:
    for widget in WEIGHTS:
        value = node.widgets.get(widget)
        if isinstance(value, str) and value:
            return _SUFFIX.sub("", value.replace("\\", "/"))
    return None
