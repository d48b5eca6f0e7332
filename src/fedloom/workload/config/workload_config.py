"""A workload's configuration, checked and resolved: what the generator and the simulator use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.config.service_model import ServiceModel
from fedloom.workload.config.workflow import Workflow

__all__ = ["PromptSource", "Tenant", "WorkloadConfig"]


@dataclass(frozen=True, slots=True)
class Tenant:
    """One of those who share the service.

    Attributes:
        tenant_id: its key in the configuration.
        weight: its share of the requests, and of the cluster under fair share.
        mix: workflow → weight; empty: the weights of the workflows.
        arrivals: its own arrivals; None: those of the workload.
        priority: of its requests, before the workflow's own; None: the workflow's.
        slo_factor: of its requests, before the workflow's own; None: the workflow's.
    """

    tenant_id: str
    weight: float = 1.0
    mix: Mapping[str, float] = field(default_factory=dict)
    arrivals: ArrivalSettings | None = None
    priority: int | None = None
    slo_factor: float | None = None


@dataclass(frozen=True, slots=True)
class PromptSource:
    """Where ``user_prompt`` comes from.

    Attributes:
        template: text in which ``{i}``, ``{request_id}``, ``{workflow_id}`` and ``{tenant}`` are
            replaced; used where `lines` is empty. ``{{`` and ``}}`` are braces.
        lines: prompts of a file, one of which is drawn for each request.
    """

    template: str = "Sample prompt for request {i}"
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkloadConfig:
    """All that a configuration says, inheritance resolved and every reference checked.

    Attributes:
        name: the files it was read from, without their folders, joined by " + ".
        models: by id, in the order of the files.
        workflows: by id, in the order of the files; at least one.
        tenants: by id, in the order of the files; may be empty.
        arrivals: of the whole workload, or of tenants that have none of their own.
        prompts: where prompts come from.
    """

    name: str
    models: Mapping[str, ServiceModel]
    workflows: Mapping[str, Workflow]
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    arrivals: ArrivalSettings = field(default_factory=ArrivalSettings)
    prompts: PromptSource = field(default_factory=PromptSource)

    def models_of(self, workflow: Workflow) -> tuple[ServiceModel, ...]:
        """Return the service model of each node of a workflow."""
        return tuple(self.models[node.model_id] for node in workflow.nodes)
