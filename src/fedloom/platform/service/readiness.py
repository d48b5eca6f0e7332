"""Whether everything is there that requests need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Any

from fedloom.errors import FedloomError
from fedloom.platform.service.desk import Desk
from fedloom.platform.store.migrate import HEAD

__all__ = ["PartState", "Readiness", "ReadinessService"]

_LIMIT_S = 5.0
_KEPT_S = 1.0
_OPENING = timedelta(minutes=2)
_NEEDED = ("store", "schema", "registry")
"""Without the broker tasks are still taken: their wake-ups wait in the outbox."""


@dataclass(frozen=True)
class PartState:
    """How one part is: whether it can be used, and in one line why not, or what it is."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Readiness:
    """How all parts are.

    Attributes:
        parts: by name: store, schema, registry, broker where one is known.
    """

    parts: Mapping[str, PartState]

    @property
    def ready(self) -> bool:
        """Whether requests can be served."""
        return all(self.parts[name].ok for name in _NEEDED)


class ReadinessService(Desk):
    """Looks at the parts, at most once a second, and waits for none of them for long."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._looking = Lock()
        self._last: tuple[float, Readiness] | None = None

    def readiness(self) -> Readiness:
        """Return how all parts are; raises nothing."""
        with self._looking:
            if self._last is None or monotonic() - self._last[0] > _KEPT_S:
                self._last = (monotonic(), Readiness(_look(self._list_checks())))
            return self._last[1]

    def _list_checks(self) -> dict[str, Callable[[], str]]:
        checks = {
            "store": self._check_store,
            "schema": self._check_schema,
            "registry": self._check_registry,
        }
        return checks | ({"broker": self._check_broker} if self.broker else {})

    def _check_store(self) -> str:
        self.store.check()
        return ""

    def _check_schema(self) -> str:
        revision = self.store.revision()
        if revision != HEAD:
            raise FedloomError(f"the tables are of revision {revision}, this program knows {HEAD}")
        return f"revision {revision}"

    def _check_registry(self) -> str:
        if not self.registry.is_ready:
            self.registry.start()
            raise FedloomError("the registry is being opened")
        self.registry.check()
        return self.registry_note()

    def registry_note(self) -> str:
        """Say whether the registry is younger than tasks that name versions in it; usually empty.

        Raises:
            LinkError: the registry or the database cannot be reached.
        """
        made_at, total = self.registry.made_at(), self.store.list_tasks(limit=1).total
        if made_at is None or total == 0:
            return ""
        oldest = self.store.list_tasks(limit=1, offset=total - 1).tasks
        # A plan needs no registry, so one may have been asked for while it was being made.
        if not oldest or oldest[0].created_at > made_at - _OPENING:
            return ""
        return (
            f"the registry was made anew on {made_at:%Y-%m-%d %H:%M} UTC, and there are tasks that"
            " are older: the versions that they name are gone, unless a backup is put back"
        )

    def _check_broker(self) -> str:
        assert self.broker is not None
        state = self.publisher.state if self.publisher else None
        if state is not None and state.connected:
            return f"{state.sent} messages sent"
        self.broker.check()
        return ""


def _look(checks: Mapping[str, Callable[[], str]]) -> dict[str, PartState]:
    # Not as a block: leaving it would wait for a part that hangs.
    pool = ThreadPoolExecutor(max_workers=len(checks), thread_name_prefix="fedloom-ready")
    futures = {name: pool.submit(_try, check) for name, check in checks.items()}
    wait(futures.values(), timeout=_LIMIT_S)
    pool.shutdown(wait=False, cancel_futures=True)
    late = PartState(False, f"no answer within {_LIMIT_S:g} s")
    return {name: future.result() if future.done() else late for name, future in futures.items()}


def _try(check: Callable[[], str]) -> PartState:
    try:
        return PartState(True, check())
    except FedloomError as error:
        return PartState(False, str(error))
