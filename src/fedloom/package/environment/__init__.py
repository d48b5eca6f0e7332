"""The Python environment that a package's commands run in, made from ``python_env.yaml``."""

from __future__ import annotations

from fedloom.package.environment.environment_file import EnvironmentFile, read_environment_file
from fedloom.package.environment.prepare import prepare_environment
from fedloom.package.environment.prepared import PackageEnvironment, describe_environment
from fedloom.package.shim import shim_folder

__all__ = [
    "EnvironmentFile",
    "PackageEnvironment",
    "describe_environment",
    "prepare_environment",
    "read_environment_file",
    "shim_folder",
]
