"""The prompts of generated requests: a template filled in, or a line of a file."""

from __future__ import annotations

from functools import lru_cache
from string import Formatter

from fedloom.errors import InputError

__all__ = ["NUMBERED", "fill_template", "template_fields"]

NUMBERED = ("i", "request_id")
"""The placeholders whose text differs from request to request, in digits alone."""

_KNOWN = (*NUMBERED, "workflow_id", "tenant")


@lru_cache(maxsize=64)
def _pieces(template: str) -> tuple[tuple[str, str | None], ...]:
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"prompt template {template!r}: {error}; write {{{{ for a brace") from None
    for _, field, form, conversion in pieces:
        if field is not None and (field not in _KNOWN or form or conversion):
            known = ", ".join(f"{{{name}}}" for name in _KNOWN)
            raise InputError(f"prompt template {template!r}: {{{field}}} is none of {known}")
    return tuple((text, field) for text, field, _, _ in pieces)


def template_fields(template: str) -> tuple[str, ...]:
    """Return the placeholders of a template, in order.

    Raises:
        InputError: one is unknown, or a brace stands alone.
    """
    return tuple(field for _, field in _pieces(template) if field is not None)


def fill_template(template: str, *, i: str, request_id: str, workflow_id: str, tenant: str) -> str:
    """Return a template with its placeholders replaced.

    Example:
        >>> fill_template("{{{i}}} of {tenant}", i="7", request_id="", workflow_id="", tenant="a")
        '{7} of a'
    """
    values = {"i": i, "request_id": request_id, "workflow_id": workflow_id, "tenant": tenant}
    return "".join(
        text if field is None else text + values[field] for text, field in _pieces(template)
    )
