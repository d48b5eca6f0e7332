"""Connections to PostgreSQL that do not wait for an answer for ever."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import OperationalError, _WaitTimeout

__all__ = ["ANSWER_S", "LimitedConnection"]

ANSWER_S = 75.0
"""Seconds that a server has for one answer: more than it gives itself for one statement."""


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that hangs up on a server which is there and yet says nothing.

    The server's own limits do not help where it is stopped, or where something between takes
    packets and drops them; a thread would then wait for ever.
    """

    answer_s = ANSWER_S

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer.

        Raises:
            OperationalError: none came within `answer_s`; the connection is closed.
        """
        limit = self.answer_s if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except _WaitTimeout:
            self.pgconn.finish()
            raise OperationalError(f"the server gave no answer for {limit:g} s") from None
