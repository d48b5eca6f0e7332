"""Write the list of the licences of all that Fedloom needs to run: `licences.py FILE`.

What counts is what is installed: the closure of the package's required dependencies, extras and
development tools left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["render_licences", "runtime_closure"]

HEADING = """\
# Licences of what Fedloom depends on

Fedloom itself is under the Apache License 2.0. These are the packages that it needs to run, as
they stand in `constraints.txt`; extras and development tools are not among them. Made by
`make licences`; do not edit.

| package | version | licence |
|---|---|---|
"""

# Packages whose metadata name no licence; read in the licence file that they ship.
READ_IN_FILE = {"namex": "Apache-2.0"}


def runtime_closure(package: str = "fedloom") -> set[str]:
    """Return the canonical names of all that an installed package requires, itself left out."""
    found: set[str] = set()
    todo = [(package, "")]
    seen: set[tuple[str, str]] = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed = canonicalize_name(requirement.name)
                found.add(needed)
                todo += [(needed, ""), *((needed, wanted) for wanted in requirement.extras)]
    return found - {canonicalize_name(package)}


def render_licences() -> str:
    """Return the page, in Markdown.

    Raises:
        SystemExit: a package does not say under which licence it is.
    """
    wanted = runtime_closure()
    output = subprocess.run(
        [sys.executable, "-m", "piplicenses", "--format=json", "--with-system"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    rows = [row for row in json.loads(output) if canonicalize_name(row["Name"]) in wanted]
    for row in rows:
        if row["License"] == "UNKNOWN":
            row["License"] = READ_IN_FILE.get(row["Name"], "UNKNOWN")
    if unknown := [row["Name"] for row in rows if row["License"] == "UNKNOWN"]:
        sys.exit(f"no licence is named by: {', '.join(unknown)}")
    rows.sort(key=lambda row: canonicalize_name(row["Name"]))
    lines = [f"| {row['Name']} | {row['Version']} | {row['License']} |\n" for row in rows]
    return HEADING + "".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_licences(), encoding="utf-8")
