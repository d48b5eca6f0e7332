"""The schedules as a Gantt chart: rows are GPUs by server, bars are executions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedloom.page.gantt_shape import Chart, Field, Gantt, Row
from fedloom.page.wording import MISSING, count, duration
from fedloom.scheduling.page.columns import ran
from fedloom.scheduling.page.view import PolicyView
from fedloom.scheduling.problem import Problem

__all__ = ["gantt_of"]

Whole = NDArray[np.int64]


def gantt_of(views: Sequence[PolicyView], problem: Problem) -> Gantt:
    """Return the schedules of all policies, on one axis of time."""
    fields = _fields(problem)
    colors = ["Model", "Workflow", "Tenant", "Type"]
    known = {field.label for field in fields}
    return Gantt(
        title="Schedule",
        rows=[
            Row(gpu.name.rpartition("/")[2], problem.cluster.servers[gpu.server])
            for gpu in problem.cluster.gpus
        ],
        fields=fields,
        charts=[_chart(view, problem) for view in views],
        color_by=[label for label in colors if label in known],
        search="Request",
        charts_label="Policies" if len(views) > 1 else "Policy",
        row_label="GPU",
        note=_note(problem),
    )


def _note(problem: Problem) -> str:
    nodes = np.array([len(graph.nodes) for graph in problem.workflows], np.int64)
    calls = np.bincount(problem.workflow, minlength=len(nodes))
    beside = sum(
        int(calls[workflow])
        for workflow, models in enumerate(problem.node_models)
        for model in models
        if problem.models[model].gpus == 0
    )
    text = "A bar is an execution, with the switch before it."
    return f"{text} Not drawn: {count(beside, 'task')} without a GPU." if beside else text


def _fields(problem: Problem) -> list[Field]:
    """What is known of each task; codes are positions in the names."""
    request = np.repeat(np.arange(problem.requests), np.diff(problem.first_task))
    workflow = problem.workflow[request]
    nodes = [node for graph in problem.workflows for node in graph.nodes]
    sizes = [len(graph.nodes) for graph in problem.workflows]
    offset = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    node = offset[workflow] + np.arange(problem.tasks) - problem.first_task[request]
    model_of = np.array([m for models in problem.node_models for m in models], np.int64)
    model = model_of[node] if len(model_of) else node
    types = sorted({needs.type for needs in problem.models})
    type_of = np.array([types.index(needs.type) for needs in problem.models], np.int64)
    fields = [
        Field("Request", list(problem.request_ids), request),
        Field("Node", [each.node_id for each in nodes], node),
        Field("Workflow", [graph.workflow_id for graph in problem.workflows], workflow),
        Field("Model", [needs.model_id for needs in problem.models], model),
        Field("Type", types, type_of[model] if len(type_of) else model),
    ]
    if problem.tenants:
        tenant = np.where(problem.tenant < 0, len(problem.tenants), problem.tenant)
        fields.append(Field("Tenant", [*problem.tenants, MISSING], tenant[request]))
    return fields


def _chart(view: PolicyView, problem: Problem) -> Chart:
    schedule = view.schedule
    drawn = (schedule.gpus >= 0) & ran(schedule)[:, None]
    task, column = np.nonzero(drawn)
    return Chart(
        name=view.name,
        note=_chart_note(view, problem),
        item=task,
        row=schedule.gpus[task, column].astype(np.int64),
        ready_us=schedule.ready_us[task],
        start_us=schedule.start_us[task],
        switch_us=schedule.switch_us[task],
        end_us=schedule.end_us[task],
    )


def _chart_note(view: PolicyView, problem: Problem) -> str:
    text = f"makespan {duration(view.number('makespan_s'))}"
    if view.unfinished:
        text += f"; {view.unfinished:,} of {count(problem.requests, 'request')} unfinished"
    return text
