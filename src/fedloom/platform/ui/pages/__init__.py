"""The pages, by their address below ``/ui``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fedloom.platform.ui.pages.datasets import datasets_page
from fedloom.platform.ui.pages.logs import logs_page
from fedloom.platform.ui.pages.missing import missing_page
from fedloom.platform.ui.pages.model import model_page
from fedloom.platform.ui.pages.models import models_page
from fedloom.platform.ui.pages.new_package import new_package_page
from fedloom.platform.ui.pages.new_task import new_task_page
from fedloom.platform.ui.pages.nodes import nodes_page
from fedloom.platform.ui.pages.overview import overview_page
from fedloom.platform.ui.pages.task import task_page
from fedloom.platform.ui.pages.tasks import tasks_page
from fedloom.platform.ui.pages.tokens import tokens_page

__all__ = ["PAGES"]

PAGES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "/": overview_page,
        "/tasks": tasks_page,
        "/tasks/new": new_task_page,
        "/tasks/{task_id:int}": task_page,
        "/models": models_page,
        "/models/new": new_package_page,
        "/models/{name}/{version:int}": model_page,
        "/nodes": nodes_page,
        "/datasets": datasets_page,
        "/logs": logs_page,
        "/tokens": tokens_page,
        "/{rest:path}": missing_page,
    }
)
"""What builds each page; of two that fit an address, the first is taken."""
