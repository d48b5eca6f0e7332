"""The service models of a configuration, checked and with their inheritance resolved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fedloom.workload.config.findings import Findings
from fedloom.workload.config.inherit import inherit_models
from fedloom.workload.config.model_schema import ModelSection, TokenSection
from fedloom.workload.config.options import resolve_options
from fedloom.workload.config.service_model import ServiceModel
from fedloom.workload.config.service_time import resolve_time

__all__ = ["resolve_models"]


def resolve_models(
    raw: Mapping[str, Any], used: Collection[str], findings: Findings
) -> dict[str, ServiceModel]:
    """Return the service models.

    Fields are required of models that a workflow uses; another that lacks some is left out.

    Args:
        raw: what the file says: model → map.
        used: the models that nodes of workflows name.
        findings: takes faults and warnings.

    Returns:
        Model id → model, in the order of the file.
    """
    own: dict[str, dict[str, Any]] = {}
    broken: set[str] = set()
    for model, stated in raw.items():
        section, fields = _check_own(model, stated, findings)
        own[model] = section.model_dump(exclude_unset=True) if section else {}
        if fields or section is None:
            broken.add(model)
    filled = inherit_models(own, findings)
    bases = {stated.get("base_model") for stated in own.values()}
    models = {}
    for model, stated in filled.items():
        if not broken.isdisjoint(_lineage(model, own)):
            continue  # its faults are known, and what they spoilt is no fault of its own
        faultless = Findings(findings.places) if model not in used else findings
        before = len(faultless.faults)
        resolved = _resolve(model, ModelSection.model_validate(stated), faultless)
        if len(faultless.faults) == before:
            models[model] = resolved
        elif model not in used and model not in bases:
            reason = "; ".join(f"{fault.path} {fault.problem}" for fault in faultless.faults)
            findings.warn(("models", model), f"is left out, no workflow uses it: {reason}")
    return models


def _check_own(
    model: str, stated: Any, findings: Findings
) -> tuple[ModelSection | None, frozenset[str]]:
    path = ("models", model)
    for tokens in ("input_tokens", "output_tokens"):
        inner = stated.get(tokens) if isinstance(stated, Mapping) else None
        findings.check_keys("token count", TokenSection, inner, (*path, tokens))
    return findings.check_section("model", ModelSection, stated, path)


def _lineage(model: str, own: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a model and all that it inherits from; there is no circle in it."""
    lineage = [model]
    while base := own[lineage[-1]].get("base_model"):
        lineage.append(base)
    return lineage


def _resolve(model: str, section: ModelSection, findings: Findings) -> ServiceModel:
    path = ("models", model)
    gpus, memory = section.gpus_required, section.memory_gb
    if gpus is None:
        findings.fault((*path, "gpus_required"), "is missing", "add it; 0 runs beside the GPUs")
    if memory is None and gpus != 0:
        findings.fault((*path, "memory_gb"), "is missing", "add it, in GB")
    if memory == 0 and gpus:
        findings.fault((*path, "memory_gb"), "is 0", "must be greater than 0 on a GPU")
    return ServiceModel(
        model_id=model,
        name=section.name or model,
        type=section.type,
        memory_gb=memory or 0.0,
        gpus_required=gpus or 0,
        time=resolve_time(section, path, findings),
        base_model=section.base_model,
        load_time_seconds=section.load_time_seconds,
        options=resolve_options(section.config, section.option_time_factors, path, findings),
    )
