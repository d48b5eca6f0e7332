"""Inheritance among service models: over any number of levels, options merging one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedloom.workload.config.findings import Findings

__all__ = ["inherit_models"]

_MERGED = ("config", "option_time_factors", "input_tokens", "output_tokens")
_OWN = ("name", "description", "base_model")

Raw = Mapping[str, Any]


def inherit_models(own: Mapping[str, Raw], findings: Findings) -> dict[str, dict[str, Any]]:
    """Fill each model with what it inherits.

    Args:
        own: model → what the file says about it.
        findings: takes missing bases and circles as faults.

    Returns:
        Model → what holds for it; without those whose base is missing or that inherit from a
        circle.
    """
    done: dict[str, dict[str, Any] | None] = {}
    for model in own:
        chain: list[str] = []
        while model not in done and model not in chain:
            chain.append(model)
            base = own[model].get("base_model")
            if base is None:
                break
            if base not in own:
                path = ("models", model, "base_model")
                findings.unknown_name(path, "base model", base, (m for m in own if m != model))
                done[model] = None
                break
            model = base
        else:
            if model not in done:  # the chain came back to itself
                _report_circle(chain[chain.index(model) :], findings)
                done |= dict.fromkeys(chain[chain.index(model) :])
        _fill(chain, own, done)
    return {model: filled for model in own if (filled := done[model]) is not None}


def _fill(chain: list[str], own: Mapping[str, Raw], done: dict[str, dict[str, Any] | None]) -> None:
    """Resolve a chain from its far end, each model over its base."""
    for model in reversed(chain):
        if model not in done:
            base = own[model].get("base_model")
            inherited = {} if base is None else done[base]
            done[model] = None if inherited is None else _over(inherited, own[model])


def _over(base: Raw, child: Raw) -> dict[str, Any]:
    filled = {key: value for key, value in base.items() if key not in _OWN}
    for key, value in child.items():
        merges = key in _MERGED and isinstance(value, Mapping)
        filled[key] = {**filled.get(key, {}), **value} if merges else value
    return filled


def _report_circle(circle: list[str], findings: Findings) -> None:
    drawn = " → ".join([*circle, circle[0]])
    path = ("models", circle[-1], "base_model")
    findings.fault(path, f"inherits in a circle: {drawn}", "drop one of them")
