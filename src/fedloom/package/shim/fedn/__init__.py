"""Our helpers under the name that scripts written for FEDn import."""

from __future__ import annotations

__all__: list[str] = []
