"""Answers as the content of messages; in place of one that cannot be sent, why."""

from __future__ import annotations

import logging

from fedloom.fleet.flower.codec import encode
from fedloom.fleet.flower.messages import Answer, Failed
from fedloom.fleet.flower.parcel import Body, cut, pack
from fedloom.learning.describe import describe_error

__all__ = ["UNSENDABLE", "fail_to_send", "pack_answer", "pack_or_fail"]

_LOGGER = logging.getLogger(__name__)

UNSENDABLE = "an answer cannot be sent"


def pack_answer(answer: Answer) -> Body:
    """Return an answer with all its arrays; whatever cannot be sent raises something."""
    header, groups = encode(answer)
    return pack(header, cut(groups))


def pack_or_fail(answer: Answer) -> Body:
    """Return an answer with all its arrays, or why it cannot be sent."""
    try:
        return pack_answer(answer)
    except Exception as error:
        _LOGGER.warning(UNSENDABLE, exc_info=error)
        return pack_answer(fail_to_send(error))


def fail_to_send(error: Exception) -> Failed:
    """Return what is answered in place of what cannot be sent."""
    return Failed("error", f"its answer cannot be sent: {describe_error(error)}")
