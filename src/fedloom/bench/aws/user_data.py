"""What a machine does first: fetch, check, install, work, end. It holds no secret."""

from __future__ import annotations

from importlib.resources import files
from shlex import quote

from fedloom.bench.aws.locked import PYTHON
from fedloom.bench.aws.machine.order import MachineOrder
from fedloom.bench.aws.names import BucketKeys
from fedloom.errors import InputError

__all__ = ["render_user_data"]

_MOST_BYTES = 16_384


def render_user_data(order: MachineOrder, *, sums_sha256: str, wheel: str, limit_s: float) -> str:
    """Return the script of a machine.

    Args:
        order: what it is to do.
        sums_sha256: SHA-256 of the bundle's list of checksums.
        wheel: name of Fedloom's wheel in the bundle.
        limit_s: seconds, rounded to whole minutes, after which the machine ends by itself.

    Raises:
        InputError: it is longer than AWS takes; there are too many cells.
    """
    keys = BucketKeys(order.run)
    values = {
        "MINUTES": str(max(1, round(limit_s / 60))),
        "BUCKET": quote(order.bucket),
        "REGION": quote(order.region),
        "BUNDLE_PREFIX": quote(keys.bundle),
        "FAULTS_PREFIX": quote(keys.fault(order.group, "").removesuffix(".txt")),
        "SUMS_SHA256": quote(sums_sha256),
        "WHEEL": quote(wheel),
        "PYTHON": PYTHON,
        "ORDER": order.model_dump_json(),
    }
    text = files("fedloom.bench.aws").joinpath("start.sh").read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    if len(text.encode()) > _MOST_BYTES:
        raise InputError(
            f"the start-up script of {order.group} has more than {_MOST_BYTES} bytes: "
            f"{len(order.cells)} cells are too many for one set of machines"
        )
    return text
