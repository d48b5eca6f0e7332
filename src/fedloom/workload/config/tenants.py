"""The tenants of a configuration, and when requests arrive."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.config.faults import KeyPath
from fedloom.workload.config.findings import Findings
from fedloom.workload.config.places import is_file
from fedloom.workload.config.schema import TenantSection
from fedloom.workload.config.workload_config import Tenant

__all__ = ["check_weights", "resolve_arrivals", "resolve_tenant"]


def resolve_tenant(
    tenant: str, raw: Any, workflows: Collection[str], findings: Findings
) -> Tenant | None:
    """Check one tenant.

    Args:
        tenant: its key.
        raw: what the file says; null for a tenant like any other.
        workflows: the keys of the workflows.
        findings: takes faults and warnings.

    Returns:
        The tenant, as far as it is right; None where nothing is.
    """
    path = ("tenants", tenant)
    section, _ = findings.check_section("tenant", TenantSection, {} if raw is None else raw, path)
    if section is None:
        return None
    if section.mix and section.workflows:
        findings.fault(path, "states both mix and workflows", "they are the same; keep one")
    key, mix = ("mix", section.mix) if section.mix else ("workflows", section.workflows)
    for workflow in mix:
        if workflow not in workflows:
            here = (*path, key, workflow)
            findings.unknown_name(here, "workflow", workflow, workflows)
    check_weights(mix.values(), (*path, key), findings)
    return Tenant(
        tenant_id=tenant,
        weight=section.weight,
        mix=mix,
        arrivals=section.arrivals
        and _place_replay(section.arrivals, (*path, "arrivals"), findings),
        priority=section.priority,
        slo_factor=section.slo_factor,
    )


def resolve_arrivals(raw: Any, findings: Findings) -> ArrivalSettings:
    """Return when the requests of the whole workload arrive."""
    path = ("arrivals",)
    if raw is None:
        return ArrivalSettings()
    settings, _ = findings.check_section("arrivals", ArrivalSettings, raw, path)
    return _place_replay(settings, path, findings) if settings else ArrivalSettings()


def check_weights(weights: Iterable[float], path: KeyPath, findings: Findings) -> None:
    """Add a fault where there are weights and all are 0."""
    stated = list(weights)
    if stated and not any(stated):
        findings.fault(path, "all weights are 0", "give one of them a weight greater than 0")


def _place_replay(settings: ArrivalSettings, path: KeyPath, findings: Findings) -> ArrivalSettings:
    """Let a replayed file be relative to the configuration's folder."""
    if settings.replay is None:
        return settings
    here = (*path, "replay")
    file = findings.place(here).folder / settings.replay
    if not is_file(file):
        remedy = "name a file, relative to the configuration's folder"
        findings.fault(here, f"names {str(settings.replay)!r}, which is no file", remedy)
    return settings.model_copy(update={"replay": file})
