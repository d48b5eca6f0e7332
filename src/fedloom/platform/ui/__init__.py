"""The web page, on the API's own port: `mount_page` puts it at ``/ui`` of the application.

The page shows and asks; whatever may be done, `fedloom.platform.service` does and checks.
"""

from __future__ import annotations

from fedloom.platform.ui.mount import mount_page

__all__ = ["mount_page"]
