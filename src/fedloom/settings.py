"""What the environment says: where data sets lie, where downloads are kept, where outputs go."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fedloom.errors import InputError

__all__ = ["Settings", "load_settings"]


class Settings(BaseSettings):
    """Settings of this machine, read from environment variables named ``FEDLOOM_…``.

    An empty variable counts as unset, and a leading ``~`` is the home folder.

    Attributes:
        data_dir: ``FEDLOOM_DATA_DIR``, a folder with data sets that are not in the box.
        cache_dir: ``FEDLOOM_CACHE_DIR``, where downloads are kept; the user's cache by default.
        output_dir: ``FEDLOOM_OUTPUT_DIR``, where runs are written; ``outputs`` by default.
    """

    model_config = SettingsConfigDict(
        env_prefix="FEDLOOM_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    data_dir: Path | None = None
    cache_dir: Path = Field(default_factory=lambda: user_cache_path("fedloom", appauthor=False))
    output_dir: Path = Path("outputs")

    @field_validator("data_dir", "cache_dir", "output_dir")
    @classmethod
    def _expand_home(cls, path: Path | None) -> Path | None:
        try:
            return path.expanduser() if path else path
        except RuntimeError as error:
            raise ValueError(str(error)) from error


def load_settings() -> Settings:
    """Read the settings from the environment as it is now.

    Raises:
        InputError: a variable's value cannot be used; the message names the variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = f"FEDLOOM_{first['loc'][0]}".upper()
        raise InputError(f"{variable} is {first['input']!r}: {first['msg']}") from error
