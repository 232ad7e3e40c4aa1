"""Package names: what an administrator may call a file, so that it is safe on every disk and in every header."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from shared.core.errors import InvalidInput

MAX_NAME_BYTES = 255
"""The limit of a file name on the file systems in use (ext4, XFS, APFS, NTFS in UTF-16 units)."""

_SEPARATORS = frozenset('/\\:*?"<>|')
_WINDOWS_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", *(f"COM{n}" for n in range(10)), *(f"LPT{n}" for n in range(10))]
)
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width (non-)joiners: invisible, but part of emoji and of several scripts."""


@dataclass(frozen=True, slots=True)
class PackageName:
    """The file name of a package, valid by construction and normalised to Unicode NFC. Case is significant."""

    text: str

    @classmethod
    def parse(cls, text: str) -> PackageName:
        """Read a name from outside.

        Raises:
            InvalidInput: NAME_INVALID, with the rule that it breaks.
        """
        name = unicodedata.normalize("NFC", text)
        broken = _broken_rule(name)
        if broken:
            raise InvalidInput(f"the package name {text[:80]!r} cannot be used: {broken}", "NAME_INVALID")
        return cls(name)

    def __str__(self) -> str:
        """The name as people see it."""
        return self.text


def _broken_rule(name: str) -> str | None:
    if not name:
        return "it is empty; give the file name, such as Firefox-128.0.pkg"
    if any(unicodedata.category(c) in _HIDDEN_CATEGORIES and c not in _JOINERS for c in name):
        return "it holds a control, invisible or undefined character"
    if any(c in _SEPARATORS for c in name):
        return 'it holds one of / \\ : * ? " < > |'
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes in UTF-8"
    if name.startswith(".") or name != name.strip() or name.endswith("."):
        return "it begins with a dot or a space, or ends with one"
    if "%2e" in name.lower() or "%2f" in name.lower() or "%5c" in name.lower():
        return "it holds a percent-encoded dot or separator"
    if name.split(".", 1)[0].rstrip().upper() in _WINDOWS_DEVICES:
        return "it is a device name on Windows"
    return None
