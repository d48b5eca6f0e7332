"""The options of samplers that are worth varying, with what they do to the time of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fedloom.workload.traces.comfyui.graph import Graph, GraphNode

__all__ = ["SAMPLING_TYPES", "Choice", "choices_of", "sampler_options", "time_factors"]

SAMPLING_TYPES = ("image_generation", "video_generation")
"""The types whose nodes have options."""

Choice = int | float | str
"""A value of an option."""

_PIXELS = 64
"""Widths and heights are multiples of this."""

_PLANS = ("sigmas", "sampler", "guider")
_LATENTS = ("latent_image", "samples", "latent", "pixels", "image")
_EVALUATIONS = dict.fromkeys(
    ("heun", "heunpp2", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde",
     "dpmpp_sde_gpu", "seeds_2", "exp_heun_2_x0"), 2.0,
) | {"seeds_3": 3.0}  # fmt: skip


def sampler_options(graph: Graph, node: GraphNode) -> dict[str, Choice]:
    """Return the options of a sampler with their values in the file.

    Steps, cfg and the sampler stand in the node, or in those that feed its sigmas, sampler and
    guider; width and height where its latent image comes from.
    """
    plans = [node, *graph.follow(node.node_id, _PLANS)]
    latents = [node, *graph.follow(node.node_id, _LATENTS)]
    found: dict[str, Choice | None] = {
        "width": _find(latents, "width", _is_whole),
        "height": _find(latents, "height", _is_whole),
        "steps": _find(plans, "steps", _is_whole),
        "sampler_name": _find(plans, "sampler_name", _is_word),
        "cfg": _find(plans, "cfg", _is_positive),
    }
    return {name: value for name, value in found.items() if value is not None}


def _find(nodes: Iterable[GraphNode], name: str, right: Callable[[Any], bool]) -> Any:
    return next((v for node in nodes if right(v := node.widgets.get(name))), None)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def choices_of(name: str, value: Any) -> list[Choice]:
    """Return a few sensible values of an option around the one in the file.

    Example:
        >>> choices_of("steps", 20), choices_of("width", 1024), choices_of("cfg", 7.0)
        ([10, 20, 30], [768, 1024, 1280], [6.0, 7.0, 8.0])
    """
    match name:
        case "steps":
            return sorted({max(1, value // 2), value, value + value // 2})
        case "width" | "height":
            step = max(_PIXELS, round(value / 4 / _PIXELS) * _PIXELS)
            return [each for each in (value - step, value, value + step) if each >= _PIXELS]
        case "cfg":
            # At 1 and below there is no negative prompt: another regime, not a variation.
            return [value - 1, value, value + 1] if value > 2 else [value]
        case _:
            return list(dict.fromkeys((value, "euler", "dpmpp_2m")))


def time_factors(name: str, choices: Iterable[Any], reference: Any) -> dict[str, float]:
    """Return what choices multiply the time by, as ``option_time_factors`` spells it.

    Time grows with steps, with width and height, and with how often a sampler evaluates the model
    per step; the value of the file has the factor 1.

    Args:
        name: of the option.
        choices: its values.
        reference: the value in the file.

    Example:
        >>> time_factors("steps", [10, 20], 20), time_factors("sampler_name", ["heun"], "euler")
        ({'per': 20}, {'heun': 2.0})
    """
    if name in ("steps", "width", "height"):
        return {"per": reference}
    if name != "sampler_name":
        return {}
    once = _EVALUATIONS.get(reference, 1.0)
    factors = {one: _EVALUATIONS.get(one, 1.0) / once for one in choices}
    return factors if set(factors.values()) != {1.0} else {}
