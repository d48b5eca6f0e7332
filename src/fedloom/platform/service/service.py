"""What people may do with the platform; the API and the page both call it."""

from __future__ import annotations

from fedloom.platform.service.history import HistoryService
from fedloom.platform.service.models import ModelService
from fedloom.platform.service.nodes import NodeService
from fedloom.platform.service.packages import PackageService
from fedloom.platform.service.progress import ProgressService
from fedloom.platform.service.readiness import ReadinessService
from fedloom.platform.service.tasks import TaskService
from fedloom.platform.service.tokens import TokenService

__all__ = ["Service"]


class Service(
    TaskService,
    ProgressService,
    NodeService,
    ModelService,
    PackageService,
    TokenService,
    HistoryService,
    ReadinessService,
):
    """What people may do with the platform; safe to use from several threads.

    The first argument of a method is who asks. Every method blocks its thread, so an event loop
    calls it in another. It raises `fedloom.errors`, and those of `fedloom.platform.identity` for
    who is not known or may not.
    """
