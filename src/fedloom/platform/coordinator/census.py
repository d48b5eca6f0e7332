"""Who is in the federation: a thread that looks, and writes into the store what it finds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from fedloom.errors import ConflictError, FedloomError, LinkError
from fedloom.fleet.flower.link import Link
from fedloom.platform.coordinator.admission import Admission, is_registered
from fedloom.platform.store import Node, Store

if TYPE_CHECKING:
    from fedloom.fleet.flower.node_report import NodeReport
    from fedloom.fleet.flower.roll_call import RollCall

__all__ = ["Census", "Present", "name_key"]

_LOGGER = logging.getLogger(__name__)
_REWRITE_S = 15.0
"""Seconds after which a node is written down again though it says nothing new."""


@dataclass(frozen=True)
class Present:
    """A node that is online.

    Attributes:
        name: as it calls itself.
        use_cases: what it holds data for; None where it does not say.
        slots: orders that it carries out at once.
    """

    name: str
    use_cases: frozenset[str] | None
    slots: int = 1

    def serves(self, use_case: str) -> bool:
        """Whether it may have data for a use case."""
        return self.use_cases is None or use_case in self.use_cases


class Census:
    """Looks who is at the SuperLinks.

    Args:
        store: gets what is found.
        links: the SuperLinks.
        every_s: seconds between looks.
        known_nodes_only: whether the SuperLinks accept registered keys only.
    """

    def __init__(
        self,
        store: Store,
        links: Sequence[Link],
        every_s: float,
        *,
        known_nodes_only: bool = False,
    ) -> None:
        self._store, self._links, self._every_s = store, links, every_s
        self._admission = Admission(links) if known_nodes_only else None
        self._stop = Event()
        self._calls: list[RollCall | None] = [None] * len(links)
        self._keys: dict[str, str] = {}
        self._found: dict[int, list[NodeReport]] = {}
        self._written: dict[str, tuple[Any, float]] = {}
        self._thread = Thread(target=self._run, name="fedloom-roll-call", daemon=True)
        self.links_up = 0
        self.last_error: str | None = None

    @property
    def present(self) -> list[Present] | None:
        """Who is online; None as long as nobody has looked at every SuperLink."""
        if len(self._found) < len(self._links):
            return None
        reports = [report for found in self._found.values() for report in found]
        return [_read(report) for report in reports if report.online and not report.fault]

    def registered(self) -> Mapping[str, str]:
        """Return the known names with the digests of their keys; for `FlowerFleet(names=…)`."""
        return self._keys

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End; return whether it has ended within the time."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self.look()
                self._stop.wait(self._every_s)
        finally:
            for call in self._calls:
                if call is not None:
                    _close(call)

    def look(self) -> None:
        """Look once, and write down what is new; raises nothing."""
        try:
            nodes = self._store.nodes()
            self._keys = {node.name: name_key(node.public_key) for node in nodes}
            if self._admission is not None:
                self._admission.admit({node.name: node.public_key for node in nodes})
        except FedloomError as error:
            self._note(error)
        up = 0
        for index in range(len(self._links)):
            try:
                self._found[index] = self._look_at(index)
                up += 1
            except LinkError as error:
                self._found[index] = self._known_at(index)
                self._note(error)
            except Exception as error:
                _LOGGER.exception("a roll call met what nobody expected")
                self._note(error)
        self.links_up = up
        if up == len(self._links):
            self.last_error = None
        for index, reports in list(self._found.items()):
            for report in reports:
                self._write(report, index)

    def _look_at(self, index: int) -> list[NodeReport]:
        call = self._calls[index]
        if call is None:
            from fedloom.fleet.flower.roll_call import RollCall

            link = self._links[index]
            call = RollCall(link.endpoint, link.secret, names=self.registered)
            self._calls[index] = call
        return call.look()

    def _known_at(self, index: int) -> list[NodeReport]:
        call = self._calls[index]
        return [] if call is None else call.known(online=False)

    def _write(self, report: NodeReport, link: int) -> None:
        """Write a node down, if there is something new or it is time for a sign of life."""
        said: dict[str, Any] = {
            "use_cases": sorted(report.use_cases),
            "versions": dict(report.versions),
            "attributes": {
                **report.attributes,
                "online": report.online,
                "data": {name: dict(what) for name, what in report.use_cases.items()},
                "superlink": link,
                **({"fault": report.fault} if report.fault else {}),
            },
        }
        before, at = self._written.get(report.key, (None, 0.0))
        if before == said and (not report.online or monotonic() - at < _REWRITE_S):
            return
        try:
            registered = self._find(report)
            self._store.upsert_node(
                report.name,
                public_key=registered or report.key,
                last_seen=report.last_seen,
                **said,
            )
        except ConflictError as error:
            if before is None:
                _LOGGER.warning("%s", error)
        except (FedloomError, TypeError) as error:
            _LOGGER.warning("node %s is not written down: %s", report.name, error)
            return
        self._written[report.key] = (said, monotonic())

    def _find(self, report: NodeReport) -> str | None:
        """Return the key under which a node of that name is registered, if it is the same one."""
        if self._keys.get(report.name) != report.key:
            return None
        known: Node = self._store.get_node(report.name)
        return known.public_key

    def _note(self, error: BaseException) -> None:
        text = str(error)
        if text != self.last_error:
            _LOGGER.warning("the roll call: %s", text)
        self.last_error = text


def name_key(public_key: str) -> str:
    """Return the digest of a key as the store has it: a PEM that was registered, or a digest."""
    if not is_registered(public_key):
        return public_key
    from fedloom.fleet.flower.admission import digest_key

    try:
        return digest_key(public_key.encode())
    except FedloomError:
        return public_key


def _read(report: NodeReport) -> Present:
    slots = report.attributes.get("slots", 1)
    good = isinstance(slots, int) and not isinstance(slots, bool) and slots >= 1
    use_cases = frozenset(report.use_cases) if report.use_cases else None
    return Present(report.name, use_cases, slots if good else 1)


def _close(call: RollCall) -> None:
    try:
        call.close()
    except FedloomError as error:
        _LOGGER.info("a roll call was not closed: %s", error)
