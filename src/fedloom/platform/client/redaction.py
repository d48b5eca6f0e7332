"""What of a package's words leaves the node: metrics dropped or rounded, paths hidden."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Redaction", "hide_paths"]

_Digits = Annotated[int, Field(ge=0, le=15)]
_DEEPEST = 32
"""Documents nested deeper than this are cut: no metric is, and walking them would be an attack."""

_HIDDEN = "<node>"
_WITHHELD = "the node's owner does not share what commands print; it is in the node's log"


class Redaction(BaseModel):
    """Which metrics leave a node; names of inner objects are joined with dots, * stands for any.

    What `drop` names stays here. Of the rest, what `keep` names leaves, rounded as the first
    fitting pattern of `rounded` says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    drop: tuple[str, ...] = ()
    """Metrics that stay on the node, such as `per_class.*`."""
    keep: tuple[str, ...] = ("*",)
    """Metrics that may leave it."""
    rounded: dict[str, _Digits] = Field(default_factory=dict)
    """Digits after the point, by name, such as {"*loss": 3}."""
    numbers_only: bool = False
    """Whether texts and lists stay on the node."""
    share_output: bool = True
    """Whether the last lines that a failed command printed leave the node."""

    def apply(self, document: Any) -> Any:
        """Return what may leave of a JSON document; the document itself is left as it was."""
        return self._walk("", document, 0)

    def scalar(self, name: str, value: float | None) -> float | None:
        """Return what may leave of one number, which is None where it may not."""
        return None if value is None or not self._leaves(name) else self._round(name, value)

    def output(self, tail: Sequence[str]) -> tuple[str, ...]:
        """Return what may leave of the last lines that a command printed."""
        return tuple(tail) if self.share_output else ()

    def reason(self, reason: str, tail: Sequence[str]) -> str:
        """Return why a command failed, without what it printed where that is not to leave."""
        if self.share_output:
            return reason
        said = next((line.strip() for line in reversed(tail) if line.strip()), "")
        if not said or said not in reason:
            return reason
        return f"{reason[: reason.index(said)].rstrip(': ')} ({_WITHHELD})"

    def _walk(self, name: str, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            return None
        if isinstance(value, Mapping):
            inner = {k: f"{name}.{k}" if name else str(k) for k in value}
            kept = {
                k: self._walk(inner[k], v, depth + 1)
                for k, v in value.items()
                if self._may_hold(inner[k], v)
            }
            return {k: v for k, v in kept.items() if v != {} or value[k] == {}}
        if isinstance(value, list | tuple):
            return [self._walk(name, v, depth + 1) for v in value]
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            return self._round(name or "value", value)
        return value

    def _may_hold(self, name: str, value: Any) -> bool:
        """Tell whether a key stays in a document: an object does for what is inside of it."""
        if _match(name, self.drop):
            return False
        if isinstance(value, Mapping):
            return True
        is_number = isinstance(value, int | float) or value is None
        return _match(name, self.keep) and (is_number or not self.numbers_only)

    def _leaves(self, name: str) -> bool:
        return not _match(name, self.drop) and _match(name, self.keep)

    def _round(self, name: str, value: float) -> float:
        digits = next((d for p, d in self.rounded.items() if fnmatchcase(name, p)), None)
        return value if digits is None or not math.isfinite(value) else round(value, digits)


def hide_paths(text: str, roots: Iterable[Path]) -> str:
    """Return a text in which nothing tells where on this machine something lies."""
    for root in sorted({str(root) for root in roots}, key=len, reverse=True):
        if len(root) > 1:
            text = text.replace(root, _HIDDEN)
    return text


def _match(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
