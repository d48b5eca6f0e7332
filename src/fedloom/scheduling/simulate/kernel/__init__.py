"""The compiled core: what `EventLoop` does for the default placement and eviction, as plain loops.

Where the Python core looks at one of several alike devices, this one looks at all, which comes to
the same: the best is the best. The tests hold the two against each other.
"""

from __future__ import annotations

__all__: list[str] = []
