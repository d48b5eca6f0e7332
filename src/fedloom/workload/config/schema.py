"""What stands in a configuration file: for checking it and for its JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.config.model_schema import ModelSection
from fedloom.workload.config.section import (
    Factor,
    Identifier,
    Section,
    Share,
    Texts,
    WholeNumber,
)

__all__ = [
    "ConfigFile",
    "EdgeSection",
    "NodeSection",
    "PromptSection",
    "TenantSection",
    "WorkflowSection",
]


class NodeSection(Section):
    """One call of a model in a workflow."""

    id: Identifier
    """Unique in its workflow."""
    model: Identifier
    """The model that it calls: a key of `models`."""
    name: Any = None
    """For people."""
    description: Any = None
    """For people."""
    inputs: Texts = ()
    """Names of what it reads; for people, edges alone say what waits for what."""
    outputs: Texts = ()
    """Names of what it gives; for people."""
    config_options: Texts = ()
    """Options of its model that each request sets to one of their choices."""


class EdgeSection(Section):
    """One node of a workflow waits for another."""

    from_: Annotated[Identifier, Field(alias="from")]
    """The node that comes first."""
    to: Identifier
    """The node that waits."""


class WorkflowSection(Section):
    """A directed acyclic graph of calls of models."""

    name: str | None = None
    """For people; the key where absent."""
    description: str = ""
    """For people."""
    nodes: Annotated[tuple[NodeSection, ...], Field(min_length=1)]
    """The calls, in any order."""
    edges: tuple[EdgeSection, ...] = ()
    """What waits for what; nodes without edges run at once."""
    weight: Share = 1.0
    """Its share of the requests, against the weights of the others."""
    priority: WholeNumber | None = None
    """Of its requests; larger is more urgent."""
    slo_factor: Factor | None = None
    """A request's deadline is this times its critical path after its arrival."""


def _name_to_share(value: Any) -> Any:
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value, 1.0)
    return value


Mix = Annotated[
    dict[str, Share],
    BeforeValidator(_name_to_share, json_schema_input_type=dict[str, Share] | list[str]),
]


class TenantSection(Section):
    """One of those who share the service."""

    name: Any = None
    """For people."""
    description: Any = None
    """For people."""
    weight: Share = 1.0
    """Its share of the requests, and of the cluster under fair share."""
    mix: Mix = Field(default_factory=dict)
    """Workflow → weight; the workflows' own weights where absent."""
    workflows: Mix = Field(default_factory=dict)
    """Another name of `mix`."""
    arrivals: ArrivalSettings | None = None
    """When its requests arrive; as those of the workload where absent."""
    priority: WholeNumber | None = None
    """Of its requests, before the workflow's own."""
    slo_factor: Factor | None = None
    """Of its requests, before the workflow's own."""


def _take_template(value: Any) -> Any:
    return {"template": value} if isinstance(value, str) else value


class PromptSection(Section):
    """Where the prompts of requests come from; plain text stands for a template."""

    template: str | None = None
    """Text with `{i}`, `{request_id}`, `{workflow_id}` and `{tenant}`."""
    file: str | None = None
    """A text file with one prompt per line, relative to this file; each request draws one."""


class ConfigFile(Section):
    """A configuration: the models and workflows that requests are generated for."""

    name: Any = None
    """For people."""
    description: Any = None
    """For people."""
    version: Any = None
    """For people."""
    metadata: Any = None
    """For other programs."""
    models: dict[str, ModelSection]
    """Key → service model."""
    workflows: Annotated[dict[str, WorkflowSection], Field(min_length=1)]
    """Key → workflow."""
    tenants: dict[str, TenantSection] = Field(default_factory=dict)
    """Key → one of those who share the service."""
    arrivals: ArrivalSettings = ArrivalSettings()
    """When requests arrive."""
    prompts: Annotated[
        PromptSection, BeforeValidator(_take_template, json_schema_input_type=PromptSection | str)
    ] = PromptSection()
    """Where prompts come from."""
