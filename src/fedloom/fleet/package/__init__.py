"""The package fleet: every client is a compute package in a folder of its own on this machine."""

from __future__ import annotations

from fedloom.fleet.package.fleet import PackageFleet
from fedloom.fleet.package.reports import ClientReport

__all__ = ["ClientReport", "PackageFleet"]
