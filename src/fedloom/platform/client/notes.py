"""What the audit log says of a request and of its answer: names, sizes, numbers; no content."""

from __future__ import annotations

import json
from typing import Any

from fedloom.fleet.flower.messages import (
    Answer,
    Describe,
    Evaluate,
    Evaluated,
    Failed,
    Train,
    Trained,
)
from fedloom.platform.client.answers import count_bytes
from fedloom.platform.client.policy import Wish

__all__ = ["list_facts", "list_outcome"]


def list_facts(request: Describe | Train | Evaluate, wish: Wish | None) -> dict[str, Any]:
    """Return what is noted of a request."""
    facts: dict[str, Any] = {"task": request.task, "verb": request.verb}
    if isinstance(request, Train | Evaluate):
        facts["round"] = request.round
    if wish is not None:
        facts |= {"use_case": wish.use_case, "kind": str(wish.kind), "name": wish.name}
        facts |= {"digest": wish.digest} if wish.digest else {}
    return facts


def list_outcome(answer: Answer) -> dict[str, Any]:
    """Return what is noted of an answer."""
    if isinstance(answer, Failed):
        return {"outcome": str(answer.failure), "reason": answer.reason, "bytes_out": 0}
    if isinstance(answer, Trained):
        size = sum(count_bytes(g) for g in (answer.weights, answer.client_state, answer.drift))
        return {"outcome": "done", "bytes_out": size, "num_examples": answer.num_examples}
    if isinstance(answer, Evaluated):
        said = json.dumps([answer.document, dict(answer.scalars)])
        return {"outcome": "done", "bytes_out": len(said), "num_examples": answer.num_examples}
    return {"outcome": "done"}
