"""Who is at a SuperLink, whether a task runs or not: names, data and versions of all nodes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import Any

from fedloom.fleet.flower.admission import Admitted, list_nodes
from fedloom.fleet.flower.channel import Channel
from fedloom.fleet.flower.codec import ROLL_CALL, encode
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.letters import Letter, Patience
from fedloom.fleet.flower.messages import Describe, Description, Failed, Tempo
from fedloom.fleet.flower.node_report import NodeReport, read_report
from fedloom.fleet.flower.parcel import pack
from fedloom.fleet.flower.post import Post
from fedloom.fleet.flower.registered import Registered, find_name_fault

__all__ = ["RollCall"]

_LOGGER = logging.getLogger(__name__)

_OUTAGE_SECONDS = 2.0
"""How long one look may wait for a SuperLink that is away."""

_REFRESH_SECONDS, _REFRESH_SECONDS_PER_NODE = 60.0, 1.0
_STOCK_SECONDS = 1800.0
"""A stock node starts a process for every question, so it is asked rarely."""

_TTL_SECONDS = 120.0


@dataclass(frozen=True)
class _Known:
    """What a node answered, since which start of it, and when."""

    description: Description | None
    reason: str
    since: str
    at: float


class RollCall:
    """Asks every node of a SuperLink who it is; for one thread.

    It holds a Flower run of its own. A node is asked when it is new or has started anew, and once a
    minute (with many nodes more rarely), so looking often costs one request a look.

    Args:
        endpoint: of the SuperLink.
        secret: its SuperExec secret.
        names: registered names with their keys; who goes by another's is reported with a fault.
    """

    def __init__(
        self, endpoint: Endpoint, secret: bytes, *, names: Registered | None = None
    ) -> None:
        self._endpoint, self._names = endpoint, names or dict
        patience = Patience(outage_s=_OUTAGE_SECONDS)
        self._post = Post(lambda: Channel(endpoint, secret), ROLL_CALL, patience, Event())
        self._nodes: list[Admitted] = []
        self._known: dict[str, _Known] = {}
        self._asked: dict[Letter, Admitted] = {}
        self._faults: dict[str, str] = {}

    def look(self) -> list[NodeReport]:
        """Return all nodes that have said who they are, ordered by name; waits for no answer.

        Raises:
            LinkError: the SuperLink is away; the next look tries again.
        """
        self._nodes = list_nodes(self._endpoint)
        self._ask()
        for letter, answer in self._post.look(limit=0):
            self._hear(letter, answer)
        return self.known(online=None)

    def known(self, *, online: bool | None = False) -> list[NodeReport]:
        """Return what was found at the last look, without looking.

        Args:
            online: what to call every node, such as False while the SuperLink is away; None leaves
                each as it was.
        """
        now, registered = datetime.now(UTC), self._names()
        reports = [
            self._report(node, registered, now)
            for node in self._nodes
            if node.key in self._known or node.name
        ]
        found = sorted(_part_namesakes(reports), key=lambda r: (r.name, r.key))
        self._log_faults(found)
        return found if online is None else [replace(r, online=online) for r in found]

    def close(self) -> None:
        """End the Flower run; may be called twice."""
        self._post.close()

    def _ask(self) -> None:
        """Ask those of whom too little is known, or what is known is old."""
        online = [node for node in self._nodes if node.online]
        self._post.tempo = tempo = Tempo.for_nodes(len(online))
        asked = {(node.key, node.since) for node in self._asked.values()}
        due = [n for n in online if (n.key, n.since) not in asked and self._is_due(n, len(online))]
        if not due:
            return
        header, _ = encode(Describe(ROLL_CALL, {}), tempo)
        body, name = pack(header), f"{ROLL_CALL}:describe"
        letters = {
            Letter(n.node_id, Describe.verb, body, name, _TTL_SECONDS, n.inside): n for n in due
        }
        self._asked |= letters
        self._post.send(list(letters))

    def _is_due(self, node: Admitted, count: int) -> bool:
        known = self._known.get(node.key)
        if known is None or known.since != node.since:
            return True
        every = max(_REFRESH_SECONDS, _REFRESH_SECONDS_PER_NODE * count)
        if not node.inside:
            every = _STOCK_SECONDS
        return monotonic() - known.at >= every

    def _hear(self, letter: Letter, answer: Any) -> None:
        node = self._asked.pop(letter, None)
        if node is None:
            return
        if isinstance(answer, Description):
            known = _Known(answer, "", node.since, monotonic())
        elif isinstance(answer, Failed):
            known = _Known(None, answer.reason, node.since, monotonic())
        else:
            return  # lost on the way: it is asked again at the next look
        self._known[node.key] = known

    def _report(self, node: Admitted, registered: Any, now: datetime) -> NodeReport:
        known = self._known.get(node.key)
        said, reason = (None, "") if known is None else (known.description, known.reason)
        report = read_report(node, said, reason, now)
        fault = report.fault or find_name_fault(report.name, node.key, registered)
        return replace(report, fault=fault)

    def _log_faults(self, reports: Sequence[NodeReport]) -> None:
        """Say once what is wrong with a node."""
        for report in reports:
            if report.fault and self._faults.get(report.key) != report.fault:
                _LOGGER.warning("node %s: %s", report.name, report.fault)
        self._faults = {r.key: r.fault for r in reports if r.fault}


def _part_namesakes(reports: Sequence[NodeReport]) -> list[NodeReport]:
    """Give all but the first of those who share a name a fault; who is online comes first."""
    ordered = sorted(reports, key=lambda r: (bool(r.fault), not r.online, r.key))
    seen: set[str] = set()
    parted = []
    for report in ordered:
        fault = report.fault
        if report.name in seen and not fault:
            fault = f"another node is called {report.name!r}; give each its own name"
        seen.add(report.name)
        parted.append(replace(report, fault=fault))
    return parted
