"""The HTTP API: FastAPI over the service; `make_app` builds it, `ApiServer` serves it."""

from __future__ import annotations

from fedloom.platform.api.app import make_app
from fedloom.platform.api.problems import Problem
from fedloom.platform.api.server import ApiServer

__all__ = ["ApiServer", "Problem", "make_app"]
