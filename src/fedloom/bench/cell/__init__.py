"""One cell of a study: the process that serves it, and the processes of its clients.

``python -m fedloom.bench.cell.serve`` and ``python -m fedloom.bench.cell.take_part`` are the same
on this machine and on any other; a provider starts them and looks how they end.
"""

from __future__ import annotations

__all__: list[str] = []
