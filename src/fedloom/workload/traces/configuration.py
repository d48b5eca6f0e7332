"""The configuration that describes a trace, to schedule it and to generate more like it."""

from __future__ import annotations

from typing import Any

from fedloom.workload.traces.imported import ImportOptions
from fedloom.workload.traces.moments import Moments
from fedloom.workload.traces.survey import ModelUse, Survey
from fedloom.workload.units import MICROSECONDS

__all__ = ["build_configuration"]


def build_configuration(survey: Survey, options: ImportOptions, description: str) -> dict[str, Any]:
    """Return a configuration mapping: a model per kind of job, and one-node workflows.

    Weights of workflows and tenants are their numbers of requests; times and tokens follow a
    lognormal law with the mean, the standard deviation and the range of the trace.
    """
    config: dict[str, Any] = {
        "description": description,
        "models": {model: _model(use, options) for model, use in survey.models.items()},
        "workflows": {
            workflow: {
                "name": workflow,
                "nodes": [{"id": model.node, "model": model.model_id}],
                "edges": [],
                "weight": survey.requests[workflow],
            }
            for workflow, model in survey.workflows.items()
        },
    }
    if survey.tenants:
        config["tenants"] = {name: {"weight": count} for name, count in survey.tenants.items()}
    return config


def _model(use: ModelUse, options: ImportOptions) -> dict[str, Any]:
    model = use.model
    described = {
        "name": model.model_id,
        "type": model.type,
        "memory_gb": model.memory_gb,
        "gpus_required": model.gpus_required,
        "load_time_seconds": model.load_time_seconds,
    }
    if not use.outputs.count:
        return described | _times(use)
    return described | _rates(use, options) | _tokens(use)


def _rates(use: ModelUse, options: ImportOptions) -> dict[str, float]:
    """Return what a language model's time follows from; measured times give the average rate."""
    if use.model.measured and use.duration_us.total and use.outputs.total:
        rate = use.outputs.total * MICROSECONDS / use.duration_us.total
        return {"tokens_per_second": round(rate, 3) or rate}
    rates = {"tokens_per_second": options.tokens_per_second}
    if options.prefill_tokens_per_second is not None:
        rates["prefill_tokens_per_second"] = options.prefill_tokens_per_second
    return rates


def _tokens(use: ModelUse) -> dict[str, Any]:
    """Return the laws of a language model's tokens."""
    return {
        "input_tokens": _law(use.inputs),
        "output_tokens": _law(use.outputs),
        "token_correlation": round(use.tokens.correlation, 3),
    }


def _law(moments: Moments) -> dict[str, Any]:
    return {
        "law": "lognormal",
        "mean": round(max(moments.mean, 1.0), 3),
        "std": round(moments.std, 3),
        "min": max(moments.least, 1),
        "max": max(moments.most, 1),
    }


def _times(use: ModelUse) -> dict[str, Any]:
    """Return the law of execution times, in seconds."""
    duration = use.duration_us
    return {
        "time_law": "lognormal",
        "inference_time_mean": max(round(duration.mean), 1) / MICROSECONDS,
        "inference_time_std": round(duration.std) / MICROSECONDS,
        "inference_time_min": duration.least / MICROSECONDS,
        "inference_time_max": max(duration.most, 1) / MICROSECONDS,
    }
