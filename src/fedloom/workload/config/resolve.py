"""From merged files to a checked configuration, with all faults on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedloom.workload.config.faults import KeyPath
from fedloom.workload.config.findings import Findings
from fedloom.workload.config.models import resolve_models
from fedloom.workload.config.prompts import resolve_prompts
from fedloom.workload.config.schema import ConfigFile
from fedloom.workload.config.service_model import ServiceModel
from fedloom.workload.config.tenants import check_weights, resolve_arrivals, resolve_tenant
from fedloom.workload.config.wording import show
from fedloom.workload.config.workflow import Workflow
from fedloom.workload.config.workflows import resolve_workflow
from fedloom.workload.config.workload_config import Tenant, WorkloadConfig

__all__ = ["resolve_config"]


def resolve_config(value: Mapping[str, Any], name: str, findings: Findings) -> WorkloadConfig:
    """Check everything; what is returned can be used if no fault was found.

    Args:
        value: the merged files.
        name: of the configuration.
        findings: takes faults and warnings.
    """
    findings.check_keys("configuration", ConfigFile, value, ())
    raw_models = _take_map(value, "models", findings, required=True)
    raw_workflows = _take_map(value, "workflows", findings, required=True)
    known = raw_models or None  # where none is stated, that is the one fault
    workflows = {
        key: workflow
        for key, raw in raw_workflows.items()
        if (workflow := resolve_workflow(key, raw, known, findings))
    }
    models = resolve_models(raw_models, _find_used(raw_workflows), findings)
    _warn_of_options(workflows, models, findings)
    tenants = _resolve_tenants(value, raw_workflows, workflows, findings)
    arrivals = resolve_arrivals(value.get("arrivals"), findings)
    prompts = resolve_prompts(value.get("prompts"), bool(tenants), findings)
    return WorkloadConfig(name, models, workflows, tenants, arrivals, prompts)


def _find_used(raw_workflows: Mapping[str, Any]) -> set[str]:
    """Return what nodes name as their model, also nodes that have faults."""
    workflows = [raw for raw in raw_workflows.values() if isinstance(raw, Mapping)]
    lists = [raw.get("nodes") for raw in workflows]
    nodes = [node for listed in lists if isinstance(listed, list) for node in listed]
    return {str(node["model"]) for node in nodes if isinstance(node, Mapping) and "model" in node}


def _take_map(
    value: Mapping[str, Any], key: str, findings: Findings, *, required: bool = False
) -> Mapping[str, Any]:
    stated = value.get(key)
    if stated is None or stated == {}:
        if required:
            findings.fault((key,), f"there are no {key}", f"add a map {key} with one or more")
        return {}
    if isinstance(stated, Mapping):
        return stated
    findings.fault((key,), f"is {show(stated)}", "must be a map by id")
    return {}


def _resolve_tenants(
    value: Mapping[str, Any],
    raw_workflows: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    findings: Findings,
) -> dict[str, Tenant]:
    tenants = {
        key: tenant
        for key, raw in _take_map(value, "tenants", findings).items()
        if (tenant := resolve_tenant(key, raw, raw_workflows, findings))
    }
    check_weights((tenant.weight for tenant in tenants.values()), ("tenants",), findings)
    if not tenants or not all(tenant.mix for tenant in tenants.values()):
        weights = (workflow.weight for workflow in workflows.values())
        check_weights(weights, ("workflows",), findings)
    return tenants


def _warn_of_options(
    workflows: Mapping[str, Workflow], models: Mapping[str, ServiceModel], findings: Findings
) -> None:
    """Warn of options that nodes set and that have no choices, once for each model."""
    found: dict[tuple[str, str], list[KeyPath]] = {}
    for workflow in workflows.values():
        for position, node in enumerate(workflow.nodes):
            if (model := models.get(node.model_id)) is None:
                continue  # it has faults of its own
            path = ("workflows", workflow.workflow_id, "nodes", position, "config_options")
            for option in node.config_options:
                if option not in model.options or not model.options[option].choices:
                    found.setdefault((model.model_id, option), []).append(path)
    for (model_id, option), paths in found.items():
        others = f" (as for {len(paths) - 1} more)" if len(paths) > 1 else ""
        text = f"option {option!r} has no choices in model {model_id!r}; it is never set{others}"
        findings.warn(paths[0], text)
