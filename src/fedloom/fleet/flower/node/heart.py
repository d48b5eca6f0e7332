"""A node's signs of life, beside whatever else it does."""

from __future__ import annotations

import logging
from threading import Event

from fedloom.fleet.flower.endpoint import LinkDownError, RefusedError
from fedloom.fleet.flower.node.connection import Connection
from fedloom.fleet.flower.node.pace import Pace

__all__ = ["give_signs_of_life"]

_LOGGER = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""How often is looked whether a sign of life is due."""


def give_signs_of_life(connection: Connection, pace: Pace, stop: Event, admitted: Event) -> None:
    """Give signs of life while the node is let in, until it stops; for a thread of its own.

    Args:
        connection: to the SuperLink.
        pace: says when one is due.
        stop: set when the node ends.
        admitted: whether the node is let in; cleared where it is so no longer.
    """
    while not stop.wait(_LOOK_SECONDS):
        if not admitted.is_set() or not pace.beat_due():
            continue
        try:
            connection.beat(pace.heartbeat_s)
        except RefusedError:
            admitted.clear()
        except (LinkDownError, RuntimeError) as error:  # closed meanwhile
            pace.note_beat(given=False)
            _LOGGER.debug("no sign of life: %s", error)
        else:
            pace.note_beat(given=True)
