from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def page_data() -> Callable[[str], dict[str, Any]]:
    """Return what a page hands to its script."""

    def read(html: str) -> dict[str, Any]:
        found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', html)
        assert found
        return json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} in the data"))

    return read
