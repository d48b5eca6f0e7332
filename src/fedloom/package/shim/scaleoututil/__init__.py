"""Our helpers under the name that scripts written for Scaleout Edge import."""

from __future__ import annotations

__all__: list[str] = []
