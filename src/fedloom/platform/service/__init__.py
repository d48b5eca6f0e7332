"""The service: what people may do with the platform, each checked against their role.

The HTTP API and the web page are two faces of it; neither touches store or registry by itself.
"""

from __future__ import annotations

from fedloom.platform.service.asked_task import FieldFault, TaskFieldsError
from fedloom.platform.service.nodes import DataHolder, NodeView
from fedloom.platform.service.readiness import PartState, Readiness
from fedloom.platform.service.service import Service
from fedloom.platform.service.table_file import RecordTable, TableForm
from fedloom.platform.service.task_form import AlgorithmForm, NumberField, SettingField, TaskForm

__all__ = [
    "AlgorithmForm",
    "DataHolder",
    "FieldFault",
    "NodeView",
    "NumberField",
    "PartState",
    "Readiness",
    "RecordTable",
    "Service",
    "SettingField",
    "TableForm",
    "TaskFieldsError",
    "TaskForm",
]
