"""Write the versions of all that is installed as pip constraints: `constraints.py FILE`.

Pins of packages that are not installed here (the optional backends) are kept as they are.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["render_constraints"]

HEADING = """\
# The environment in which Fedloom is built and tested, to the version.
# A constraint installs nothing; it says which version is taken when something asks for it.
# Made by `make constraints` from an environment that passes its tests (CPython 3.11).
"""

# Fedloom is what is built; setuptools comes with some interpreters and nothing here asks for it.
LEFT_OUT = {"fedloom", "setuptools"}


def render_constraints(old: str) -> str:
    """Return the new text.

    Args:
        old: the text so far, whose pins stay unless the package is installed.
    """
    lines = [line for line in old.splitlines() if line and not line.startswith("#")]
    pins = {canonicalize_name(Requirement(line).name): line for line in lines}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        pins[canonicalize_name(name)] = f"{name}=={distribution.version.partition('+')[0]}"
    return HEADING + "".join(f"{pins[name]}\n" for name in sorted(pins.keys() - LEFT_OUT))


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(render_constraints(path.read_text(encoding="utf-8")), encoding="utf-8")
