"""The two files that a user fills in: credentials and machines."""

from __future__ import annotations

import os
from pathlib import Path

from fedloom.errors import OutputError
from fedloom.files import output_errors

__all__ = ["write_templates"]

_ENV = """\
# Read by 'fedloom bench'; never commit this file. Variables that are set in the shell go first.
# A profile of your AWS settings:
# AWS_PROFILE=
# Or keys; a short-lived login, as learning accounts hand out, has a session token too:
AWS_ACCESS_KEY_ID=
AWS_SECRET_ACCESS_KEY=
AWS_SESSION_TOKEN=
AWS_REGION=us-east-1
"""

_CONFIG = """\
# Machines of 'fedloom bench --provider aws'. What is left out has the value shown.
server:
  instance_type: r5.large
  disk_gb: 32          # encrypted, and gone with the machine
  disk_type: gp3
  # image: ami-…       # id, or path of a parameter; newest Amazon Linux 2023 otherwise
  # key_pair: mine     # for SSH, if you open the port yourself
clients:
  instance_type: r5.large
  disk_gb: 32
  disk_type: gp3
"""


def write_templates(folder: Path) -> list[Path]:
    """Write ``.env`` and ``ec2_config.yaml``, for the user alone where they hold secrets.

    Returns:
        What was written; what is there already stays as it is.

    Raises:
        OutputError: both are there already, or cannot be written.
    """
    written = []
    for name, text, mode in ((".env", _ENV, 0o600), ("ec2_config.yaml", _CONFIG, 0o644)):
        if _write_new(folder / name, text, mode):
            written.append(folder / name)
    if not written:
        raise OutputError(f"{folder} has both .env and ec2_config.yaml already; nothing is changed")
    return written


def _write_new(path: Path, text: str, mode: int) -> bool:
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    return True
