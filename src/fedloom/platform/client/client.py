"""A node as its owner wants it: decide, note down, run in bounds, keep back, note down, answer."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fedloom._version import __version__
from fedloom.errors import DataError, FedloomError, InputError, LinkError, OutputError
from fedloom.federation.fleet import Failure
from fedloom.fleet.flower.messages import (
    Answer,
    Describe,
    Description,
    Done,
    Evaluate,
    Failed,
    Forget,
    Request,
    Train,
    Trained,
)
from fedloom.learning.describe import describe_error
from fedloom.platform.client.answers import count_bytes, redact_answer
from fedloom.platform.client.audit import AuditLog
from fedloom.platform.client.config import NodeConfig
from fedloom.platform.client.datasets import DataShelf
from fedloom.platform.client.file_lock import KeyLock, StateLock
from fedloom.platform.client.models import ModelHandler
from fedloom.platform.client.no_part import say_no_part
from fedloom.platform.client.notes import list_facts, list_outcome
from fedloom.platform.client.order import read_wish, try_read_wish
from fedloom.platform.client.policy import Decision, Kind, Verdict, Wish
from fedloom.platform.client.policy_file import PolicyFile
from fedloom.platform.client.redaction import hide_paths
from fedloom.platform.client.sandbox import Isolation, find_isolation
from fedloom.platform.client.sites import Fetch, Sites

if TYPE_CHECKING:
    from fedloom.fleet.flower.handlers import PackageHandler

__all__ = ["ClientNode"]

_LOGGER = logging.getLogger(__name__)

_NO_AUDIT = "this node's audit log cannot be written, so nothing runs and nothing leaves"
_NO_DATA = "its data for this use case cannot be read; the node's log says why"
_MOST_REMEMBERED = 10_000


class ClientNode:
    """Answers for a node within what its owner allows; a `Handler` for `fleet.flower.node.Node`.

    Args:
        config: with absolute paths, as `load_node_config` gives it.
        fetch: brings the archive of a task's package; see `sites.Fetch`.
        isolation: what this machine can keep packages from; found out if None.
        hidden: files that packages must not see, such as that of the configuration.

    Raises:
        ConflictError: another process uses the same key, or the same folder for its state.
        OutputError: that folder cannot be written.
    """

    def __init__(
        self,
        config: NodeConfig,
        fetch: Fetch,
        *,
        isolation: Isolation | None = None,
        hidden: Iterable[Path] = (),
    ) -> None:
        self.config = config
        self._locks = ExitStack()
        self._locks.callback(StateLock(config.state).close)
        try:
            self._locks.callback(KeyLock(config.key_path).close)
            self.isolation = find_isolation() if isolation is None else isolation
            self.policy = PolicyFile(config.policy_path)
            self.audit = AuditLog(config.audit_path)
            self.shelf = DataShelf(config.datasets)
            self._sites = Sites(config, self.shelf, fetch, self.isolation, hidden)
            self._sites.clear()
            self.audit.append("opened", node=config.name, program=__version__)
        except BaseException:
            self._locks.close()
            raise
        for warning in self.isolation.warnings():
            _LOGGER.warning("%s", warning)
        self._package_handler: PackageHandler | None = None
        self._handler_lock = Lock()
        self._models = ModelHandler(config.name, self.shelf)
        self._paths = (config.state, *self.shelf.paths(), Path.home())
        self._told: dict[tuple[str, str], Decision] = {}

    def handle(self, request: Request, stop: Event) -> Answer:
        """Answer one request; see `fedloom.fleet.flower.node.handler.Handler`."""
        if isinstance(request, Describe):
            return self._describe(request)
        if isinstance(request, Forget):
            return self._forget(request, stop)
        if isinstance(request, Train | Evaluate):
            return self._carry_out(request, stop)
        return Failed(Failure.REJECTED, f"this node is not asked {request.verb!r}")

    def about(self) -> dict[str, Any]:
        """Return what anyone may know: versions, and sizes by use case, of those not forbidden.

        Also the answer to a `Describe` without settings, under ``attributes``.
        """
        use_cases: dict[str, Any] = {}
        for use_case in self.shelf.use_cases:
            try:
                if self.policy.policy.includes(use_case):
                    summary = self.shelf.summarize(use_case)
                    use_cases[use_case] = {"rows": summary.rows, **summary.attributes()}
            except FedloomError as error:
                _LOGGER.warning("%s", error)
        return {**self._versions(), "use_cases": use_cases}

    def close(self) -> None:
        """End all that runs, and remove what was kept for tasks."""
        if self._package_handler is not None:
            self._package_handler.close()
        self._models.close()
        self._note("closed", node=self.config.name)
        self._locks.close()

    @property
    def _packages(self) -> PackageHandler:
        """What runs packages; made late, because a node without a task should be small."""
        from fedloom.fleet.flower.handlers import PackageHandler

        with self._handler_lock:
            if self._package_handler is None:
                self._package_handler = PackageHandler(
                    self._describe_settings,
                    lambda task, settings: self._sites.open(task, settings, self.policy.policy),
                )
            return self._package_handler

    # Describing

    def _describe(self, request: Describe) -> Description:
        description = self._describe_settings(request.settings)
        verdict = Verdict.ALLOWED if description.takes_part else Verdict.REFUSED
        news = Decision(verdict, description.reason)
        wish = try_read_wish(request.settings)
        key = (request.task, wish.key if wish else "")
        if self._told.get(key) == news:
            return description  # asked again and again; one line is enough
        noted = self._note(
            "described", **list_facts(request, wish), decision=str(verdict), reason=news.reason
        )
        if not noted and description.takes_part:
            return Description(self.config.name, takes_part=False, reason=_NO_AUDIT)
        if len(self._told) >= _MOST_REMEMBERED:
            self._told.clear()
        self._told[key] = news
        if wish is not None and not description.takes_part:
            _LOGGER.info("%s: takes no part: %s", request.task, description.reason)
        return description

    def _describe_settings(self, settings: Any) -> Description:
        if not settings:
            reason = "it was asked who it is, and for no task"
            return Description(
                self.config.name, takes_part=False, reason=reason, attributes=self.about()
            )
        try:
            wish = read_wish(settings)
            decision = self._decide(wish)
            if decision.verdict is not Verdict.ALLOWED:
                return self._stay_away(decision.reason)
            summary = self.shelf.summarize(wish.use_case)
        except DataError as error:
            _LOGGER.warning("%s", error)
            return self._stay_away(_NO_DATA)
        except FedloomError as error:
            return self._stay_away(str(error))
        attributes = {**summary.attributes(), **self._versions()}
        return Description(self.config.name, num_examples=summary.rows, attributes=attributes)

    def _versions(self) -> dict[str, Any]:
        return {
            "fedloom": __version__,
            "python": platform.python_version(),
            "isolation": self.isolation.describe(),
            "audit_head": self.audit.head,
        }

    def _stay_away(self, reason: str) -> Description:
        told = hide_paths(reason, self._paths)
        return Description(self.config.name, takes_part=False, reason=told)

    def _decide(self, wish: Wish) -> Decision:
        """Say whether something may run here; no data are touched before the policy allows it.

        Raises:
            InputError: the data for it cannot be read.
        """
        if wish.use_case not in self.shelf.use_cases:
            return Decision(Verdict.REFUSED, say_no_part(wish.use_case))
        decision = self.policy.decide(wish)
        if decision.verdict is not Verdict.ALLOWED:
            return decision
        complete = self.isolation.network and self.isolation.writing and self.isolation.reading
        if wish.kind is Kind.PACKAGE and self.policy.policy.require_isolation and not complete:
            reason = "this machine cannot isolate packages as the node's owner requires"
            return Decision(Verdict.REFUSED, reason)
        shortage = self.shelf.find_shortage(wish.use_case)
        return Decision(Verdict.REFUSED, shortage) if shortage else decision

    # Carrying out

    def _carry_out(self, request: Train | Evaluate, stop: Event) -> Answer:
        entry_point = "train" if isinstance(request, Train) else "validate"
        wish = try_read_wish(request.settings, entry_point)
        facts = list_facts(request, wish)
        decision = self._decide_now(request.settings, entry_point)
        if wish is None or decision.verdict is not Verdict.ALLOWED:
            self._note("refused", **facts, reason=decision.reason)
            return Failed(Failure.REJECTED, decision.reason)
        size = count_bytes(request.weights)
        if not self._note("started", **facts, decision=decision.reason, bytes_in=size):
            return Failed(Failure.REJECTED, _NO_AUDIT)
        begun = perf_counter()
        try:
            answer = self._keep_back(self._check(self._run(request, wish, stop), wish), wish)
        except LinkError as error:
            self._note("finished", **facts, outcome=str(Failure.ERROR), reason=str(error))
            raise
        seconds = round(perf_counter() - begun, 3)
        if not self._note("finished", **facts, **list_outcome(answer), seconds=seconds):
            return Failed(Failure.REJECTED, _NO_AUDIT)
        return answer

    def _decide_now(self, settings: Any, entry_point: str) -> Decision:
        """Decide on an order; what cannot be decided is refused."""
        try:
            return self._decide(read_wish(settings, entry_point))
        except DataError as error:
            _LOGGER.warning("%s", error)
            return Decision(Verdict.REFUSED, _NO_DATA)
        except FedloomError as error:
            return Decision(Verdict.REFUSED, hide_paths(str(error), self._paths))

    def _run(self, request: Train | Evaluate, wish: Wish, stop: Event) -> Answer:
        handler = self._packages if wish.kind is Kind.PACKAGE else self._models
        try:
            return handler.handle(request, stop)
        except LinkError:
            raise
        except Exception as error:  # the node must answer, and say nothing of where things lie
            _LOGGER.warning("%s of %s failed", request.verb, request.task, exc_info=error)
            return Failed(Failure.ERROR, describe_error(error))

    def _check(self, answer: Answer, wish: Wish) -> Answer:
        least = self.shelf.source(wish.use_case).min_examples
        if isinstance(answer, Trained) and answer.num_examples < least:
            reason = f"it trained on fewer than the {least} rows that the node's owner requires"
            return Failed(Failure.REJECTED, reason)
        return answer

    def _keep_back(self, answer: Answer, wish: Wish) -> Answer:
        try:
            redaction = self.policy.policy.redaction
        except InputError as error:  # broken meanwhile
            _LOGGER.error("%s", error)
            return Failed(Failure.REJECTED, "this node's policy cannot be read, so nothing leaves")
        return redact_answer(answer, redaction, wish.kind, self._paths)

    def _forget(self, request: Forget, stop: Event) -> Answer:
        self._told = {key: told for key, told in self._told.items() if key[0] != request.task}
        if self._package_handler is not None:
            _try(lambda: self._packages.handle(request, stop))
        _try(lambda: self._models.handle(request, stop))
        self._note("forgot", task=request.task)
        return Done()

    def _note(self, event: str, **facts: Any) -> bool:
        """Write a line into the audit log; return whether that could be done."""
        try:
            self.audit.append(event, **facts)
        except OutputError as error:
            _LOGGER.error("%s", error)
            return False
        return True


def _try(do: Callable[[], object]) -> None:
    """Let nothing keep the rest of a task from being removed."""
    try:
        do()
    except Exception as error:
        _LOGGER.error("a task was not forgotten in full", exc_info=error)
