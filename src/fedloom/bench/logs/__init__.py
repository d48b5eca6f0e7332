"""Logs of servers and clients in the lines that the studied system writes, and reading them."""

from fedloom.bench.logs.client_log import ClientLog
from fedloom.bench.logs.server_log import ServerLog

__all__ = ["ClientLog", "ServerLog"]
