"""Whether the packages that Fedloom asks for are installed, read from their metadata alone."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from fedloom.cli.findings import Finding, State

__all__ = ["check_dependencies", "check_extras", "unmet_requirements"]


def check_dependencies() -> Iterator[Finding]:
    """Look for every package that Fedloom requires, in a version that fits."""
    if unmet_requirements(Requirement("fedloom")):
        detail = "run from its sources without an installation"
        yield Finding("dependencies", "fedloom", State.MISSING, detail, "pip install --editable .")
        return
    for requirement in _required_by("fedloom", extra=""):
        if unmet := unmet_requirements(requirement):
            yield Finding("dependencies", requirement.name, State.MISSING, *_describe(unmet))
        else:
            version = metadata.version(requirement.name)
            yield Finding("dependencies", requirement.name, State.OK, version)


def check_extras() -> Iterator[Finding]:
    """Look for the packages of each optional extra."""
    if unmet_requirements(Requirement("fedloom")):
        return
    for extra in metadata.metadata("fedloom").get_all("Provides-Extra") or ():
        unmet = unmet_requirements(Requirement(f"fedloom[{extra}]"))
        if not unmet:
            yield Finding("extras", extra, State.OK, "installed")
            continue
        detail, _ = _describe(unmet)
        yield Finding("extras", extra, State.ABSENT, detail, f"pip install 'fedloom[{extra}]'")


def unmet_requirements(requirement: Requirement) -> list[Requirement]:
    """Return what keeps `requirement` from being met: itself, or what its extras ask for."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return [requirement]
    if not requirement.specifier.contains(version, prereleases=True):
        return [requirement]
    return [
        unmet
        for extra in requirement.extras
        for needed in _required_by(requirement.name, extra)
        for unmet in unmet_requirements(needed)
    ]


def _required_by(package: str, extra: str) -> Iterator[Requirement]:
    """Yield what an installed package requires here: always (extra ""), or for an extra alone."""
    for line in metadata.requires(package) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        needed_anyway = marker is None or marker.evaluate({"extra": ""})
        if needed_anyway if not extra else not needed_anyway and _asks(requirement, extra):
            yield requirement


def _asks(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def _describe(unmet: list[Requirement]) -> tuple[str, str]:
    """Return what is not met in words, and the command that mends it."""
    wanted = [f"{requirement.name}{requirement.specifier}" for requirement in unmet]
    quoted = " ".join(f"'{item}'" for item in wanted)
    return f"lacks {', '.join(wanted)}", f"pip install {quoted}"
