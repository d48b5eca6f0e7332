"""Files of the registry as answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.responses import FileResponse

__all__ = ["MEDIA_TYPE", "file_answer", "send_file"]

MEDIA_TYPE = "application/octet-stream"


def send_file(path: Path, name: str) -> FileResponse:
    """Return a file, a part of it where a part is asked for; it is not read into memory."""
    return FileResponse(path, media_type=MEDIA_TYPE, filename=name)


def file_answer(meaning: str) -> dict[int | str, dict[str, Any]]:
    """Return how it stands in the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": meaning, "content": content}}
