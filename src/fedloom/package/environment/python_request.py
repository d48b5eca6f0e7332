"""The key ``python``: which versions of Python would be right."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

__all__ = ["PythonRequest"]

_MINORS = range(6, 40)
_FAR_PATCH = 99


@dataclass(frozen=True)
class PythonRequest:
    """A request such as ``3.11``, ``3.11.4`` or ``>=3.10,<3.13``.

    Raises:
        ValueError: the text is neither a version nor version specifiers.
    """

    text: str

    def __post_init__(self) -> None:
        self._specifiers()

    def accepts(self, version: str) -> bool:
        """Return whether a version of Python is among those asked for."""
        return self._specifiers().contains(Version(version), prereleases=True)

    def minors(self) -> list[int]:
        """Return the minor versions of Python 3 in question, the newest first."""
        specifiers = self._specifiers()
        # A minor version is in question if one of its patches is; what is right changes only at
        # the patches that the specifiers name.
        named = {Version(one.version.removesuffix(".*")).micro for one in specifiers}
        patches = {0, _FAR_PATCH} | named | {patch + 1 for patch in named}
        return [
            minor
            for minor in reversed(_MINORS)
            if any(specifiers.contains(f"3.{minor}.{patch}") for patch in patches)
        ]

    def _specifiers(self) -> SpecifierSet:
        try:
            if re.fullmatch(r"\d+(\.\d+)*", self.text):
                # A prefix: 3.11 is any 3.11.x.
                exact = self.text.count(".") >= 2
                return SpecifierSet(f"=={self.text}" if exact else f"=={self.text}.*")
            return SpecifierSet(self.text)
        except InvalidSpecifier as error:
            raise ValueError("a version as in 3.11, or specifiers as in >=3.10,<3.13") from error
