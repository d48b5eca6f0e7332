"""`python -m fedloom`, the same as the command `fedloom`."""

from __future__ import annotations

import sys

from fedloom.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
