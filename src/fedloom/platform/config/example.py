"""A configuration file to start from: every key with its meaning and its default."""

from __future__ import annotations

import json
import textwrap

from fedloom.platform.config.config import PlatformConfig

__all__ = ["example_config"]

_HEAD = """\
# Configuration of fedloom up, api and server. Every line shows a default; take its # away to change
# it. Relative paths start in this file's folder. A variable FEDLOOM_<KEY> outweighs the file, and a
# flag outweighs both; fedloom config show prints what counts. Passwords are better in variables.
"""
_WIDTH = 98


def example_config() -> str:
    """Return the text of a file; it is made from the configuration itself, so no key is missing."""
    return _HEAD + "".join(f"\n{_describe(key)}" for key in PlatformConfig.model_fields)


def _describe(key: str) -> str:
    field = PlatformConfig.model_fields[key]
    meaning = " ".join((field.description or "").split())
    comment = textwrap.fill(meaning, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    # The default of a folder is one of the user's, which no example can name.
    made = field.default_factory is not None
    value = "fedloom-data" if made else json.dumps(field.default)
    return f"{comment}\n# {key}: {value}\n"
