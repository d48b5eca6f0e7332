"""Where prompts come from: a template whose placeholders are known, or the lines of a file."""

from __future__ import annotations

from string import Formatter
from typing import Any

from fedloom.workload.config.findings import Findings
from fedloom.workload.config.schema import PromptSection
from fedloom.workload.config.wording import hint_at
from fedloom.workload.config.workload_config import PromptSource

__all__ = ["PLACEHOLDERS", "resolve_prompts"]

PLACEHOLDERS = ("i", "request_id", "workflow_id", "tenant")
"""What a template may name."""

_PATH = ("prompts",)


def resolve_prompts(raw: Any, has_tenants: bool, findings: Findings) -> PromptSource:
    """Return where prompts come from.

    Args:
        raw: what the file says; plain text is a template, None the default.
        has_tenants: whether there are tenants for ``{tenant}``.
        findings: takes faults and warnings.
    """
    if raw is None:
        return PromptSource()
    stated = {"template": raw} if isinstance(raw, str) else raw
    section, _ = findings.check_section("prompt source", PromptSection, stated, _PATH)
    if section is None:
        return PromptSource()
    if section.template is not None and section.file is not None:
        findings.fault(_PATH, "states both template and file", "keep one of them")
    if section.template is not None:
        _check_template(section.template, has_tenants, findings)
    template = PromptSource().template if section.template is None else section.template
    lines = () if section.file is None else _read_lines(section.file, findings)
    return PromptSource(template, lines)


def _check_template(template: str, has_tenants: bool, findings: Findings) -> None:
    path = (*_PATH, "template") if (*_PATH, "template") in findings.places else _PATH
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        findings.fault(path, f"is no template: {error}", "write {{ and }} for braces")
        return
    for _, name, form, conversion in parts:
        if name is not None and name not in PLACEHOLDERS:
            known = [f"{{{choice}}}" for choice in PLACEHOLDERS]
            problem = f"has the unknown placeholder {{{name}}}"
            findings.fault(path, problem, f"{hint_at(f'{{{name}}}', known)}, {{{{ is a brace")
        elif form or conversion:
            findings.fault(path, f"gives {{{name}}} a format", f"write {{{name}}}")
        elif name == "tenant" and not has_tenants:
            findings.warn(path, "names {tenant}, but there are no tenants; it will be empty")


def _read_lines(file: str, findings: Findings) -> tuple[str, ...]:
    path = (*_PATH, "file")
    source = findings.place(path).folder / file
    try:
        text = source.read_text("utf-8-sig")
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        remedy = "a UTF-8 text with one prompt per line, relative to the configuration's folder"
        findings.fault(path, f"cannot read {file!r}: {reason}", remedy)
        return ()
    lines = tuple(line for line in text.split("\n") if line.strip())
    if not lines:
        findings.fault(path, f"{file!r} holds no prompt", "write one per line")
    return tuple(line.rstrip("\r") for line in lines)
