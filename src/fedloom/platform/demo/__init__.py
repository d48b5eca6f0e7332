"""What `fedloom up` shows: the package `iris`, and nodes of unequal size that hold data for it.

`write_demo` lays out the nodes' data and policies, `demo_package` is the folder to push, and
`demo_digest` what the nodes of a demo allow.
"""

from __future__ import annotations

from fedloom.platform.demo.nodes import write_demo
from fedloom.platform.demo.package import DEMO_NAME, demo_digest, demo_package

__all__ = ["DEMO_NAME", "demo_digest", "demo_package", "write_demo"]
