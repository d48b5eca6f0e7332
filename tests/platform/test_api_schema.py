"""Whatever the OpenAPI document allows or forbids, the API answers as it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fedloom.platform.api import make_app
from fedloom.platform.identity import Attempts, Role
from fedloom.platform.registry import Registry
from fedloom.platform.service import Service

from .api_world import IRIS, ROOT, make_secret, push_iris, serve

LIMIT_S = 400

# What a schema cannot say: that a time lies ahead, a text is a key, a signature, a package or a
# page's token, or that several fields go together. There, 422 is right for what it allows.
SETTINGS = """
[[operations]]
include-name = ["POST /tasks/", "POST /tokens", "POST /packages", "PUT /nodes/{name}",
                "PUT /models/{name}/versions/{number}/signatures",
                "GET /models", "GET /models/{name}/versions"]
checks.positive_data_acceptance.enabled = false
"""


def test_schemathesis_finds_nothing(
    service: Service, iris_registry: Registry, tmp_path: Path
) -> None:
    service.attempts = Attempts(limit=10**9)  # requests without a right token are among the checks
    push_iris(iris_registry, tmp_path, "to-delete")
    for _ in range(30):  # low numbers, which it likes to revoke
        make_secret(service.store, Role.VIEWER)
    for _ in range(3):
        service.create_task(ROOT, IRIS)
    secret = make_secret(service.store, Role.ADMIN)
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS)
    with serve(make_app(service)) as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)),
                *("run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {secret}"),
                *("--exclude-path", "/events"),  # it does not end
                *("--phases", "examples,coverage,fuzzing"),  # and all checks
                *("--max-examples", "8", "--suppress-health-check", "all", "--no-color"),
                *("--request-timeout", "60", "--seed", "1", "--continue-on-failure"),
                *("--report", "junit", "--report-dir", str(tmp_path / "report")),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Tested: 3" in done.stdout, json.dumps(done.stdout[-2000:])
