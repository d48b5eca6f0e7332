"""Finding the clients of a task among the nodes that are online."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from fedloom.fleet.flower.channel import NodeSeen
from fedloom.fleet.flower.codec import encode
from fedloom.fleet.flower.letters import Letter
from fedloom.fleet.flower.messages import Describe, Description, Failed, Tempo
from fedloom.fleet.flower.parcel import pack
from fedloom.fleet.flower.post import Post
from fedloom.fleet.flower.roster import Roster

__all__ = ["Discovery"]

_REFRESH_SECONDS = 2.0
_TTL_SECONDS = 120.0


class Discovery:
    """Asks nodes who they are, and keeps the roster up to date.

    Args:
        post: carries the questions.
        roster: takes the answers.
        task: of the fleet.
        settings: what nodes are told of the task.
        clock: gives seconds.
    """

    def __init__(
        self,
        post: Post,
        roster: Roster,
        task: str,
        settings: Mapping[str, Any],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._post, self._roster, self._clock = post, roster, clock
        self._task, self._settings = task, settings
        self._asked: dict[Letter, NodeSeen] = {}
        self._looked_at = -float("inf")

    @property
    def asking(self) -> bool:
        """Whether answers are due."""
        return bool(self._asked)

    def refresh(self) -> None:
        """Look who is online, and ask whom we do not know; at most every two seconds."""
        if self._clock() - self._looked_at < _REFRESH_SECONDS:
            return
        nodes = self._post.nodes()
        self._looked_at = self._clock()
        # Those that are late count: the fewer are in time, the more time they need.
        self._post.tempo = tempo = Tempo.for_nodes(max(len(nodes), self._roster.present()))
        asked = {(seen.key, seen.since) for seen in self._asked.values()}
        new = [n for n in self._roster.see(nodes, tempo.grace_s) if (n.key, n.since) not in asked]
        if not new:
            return
        header, _ = encode(Describe(self._task, dict(self._settings)), self._post.tempo)
        body, name = pack(header), f"{self._task}:describe"
        letters = {
            Letter(n.node_id, Describe.verb, body, name, _TTL_SECONDS, n.inside): n for n in new
        }
        self._asked |= letters
        self._post.send(list(letters))

    def take(self, letter: Letter, answer: Any) -> bool:
        """Take an answer, if it is one to a question of ours; return whether it is."""
        seen = self._asked.pop(letter, None)
        if seen is None:
            return False
        if isinstance(answer, Failed):
            # What cannot be understood names its version, and no node; so the key names it.
            answer = Description(f"node {seen.key[:8]}", takes_part=False, reason=answer.reason)
        if isinstance(answer, Description):
            self._roster.hear(seen, answer)
        return True
