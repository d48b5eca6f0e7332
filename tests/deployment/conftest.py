"""What the tests of the deployment share with those of the platform: its servers."""

from __future__ import annotations

from ..platform.conftest import (  # noqa: TID252 - tests are no package
    amqp_url,
    postgresql_server,
)

__all__ = ["amqp_url", "postgresql_server"]
