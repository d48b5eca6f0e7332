"""What runs in the process of a package's ``server.py``; alone in its folder on purpose.

A script's folder is the first in which Python looks for modules: beside this one there is none
that could be taken for another.
"""

from __future__ import annotations

__all__: list[str] = []
