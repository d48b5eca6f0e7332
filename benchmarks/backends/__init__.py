"""What a client's step costs on each backend of Keras."""

from __future__ import annotations

__all__: list[str] = []
