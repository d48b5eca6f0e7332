"""What runs on a machine of AWS: ``python -m fedloom.bench.aws.machine``.

The start-up script calls it once the bundle is checked and installed. It carries out the machine's
part of each cell of its group, one after another, with the processes that local cells use, too,
uploads what they write while they run, and a list with checksums when they are done.
"""

from __future__ import annotations

from fedloom.bench.aws.machine.order import MachineOrder, MachineRole

__all__ = ["MachineOrder", "MachineRole"]
