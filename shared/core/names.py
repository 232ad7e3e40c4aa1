"""Package names: what an administrator may call a file, so that it is safe on every disk and in every header."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from shared.core.errors import InvalidInput

MAX_NAME_BYTES = 255
"""The limit of a file name on the file systems in use (ext4, XFS, APFS, NTFS in UTF-16 units)."""

_SEPARATORS = frozenset('/\\:*?"<>|')
_ENCODED = ("%2e", "%2f", "%5c")
_WINDOWS_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789\u00b9\u00b2\u00b3")]
)
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width (non-)joiners: invisible, but part of emoji and of several scripts."""
_REPLACEMENT = "\ufffd"
"""What decoders make of bytes that are no UTF-8: the name that was meant is lost."""


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
    return next((sentence for is_broken, sentence in _RULES if is_broken(name)), None)


def _shows_all(name: str) -> bool:
    """The short way for most names: in ASCII all that is printable is a character and can be seen."""
    return name.isascii() and name.isprintable()


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN_CATEGORIES and character not in _JOINERS


def _is_no_character(character: str) -> bool:
    """True for the 66 points that Unicode never assigns. Points not assigned yet may be in an emoji newer than this Python."""
    point = ord(character)
    return character == _REPLACEMENT or 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE  # noqa: PLR2004 - Unicode, chapter 23.7


_RULES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: not name, "it is empty; give the file name, such as Firefox-128.0.pkg"),
    (lambda name: not _shows_all(name) and any(map(_is_hidden, name)), "it holds a control or invisible character"),
    (lambda name: not _shows_all(name) and any(map(_is_no_character, name)), "it is not in UTF-8, or holds what can be no character"),
    (lambda name: not _SEPARATORS.isdisjoint(name), 'it holds one of / \\ : * ? " < > |'),
    (lambda name: len(name.encode()) > MAX_NAME_BYTES, f"it is longer than {MAX_NAME_BYTES} bytes in UTF-8"),
    (lambda name: name.startswith(".") or name.endswith(".") or name != name.strip(), "it begins with a dot or a space, or ends with one"),
    (lambda name: any(code in name.lower() for code in _ENCODED), "it holds a percent-encoded dot or separator"),
    (lambda name: name.split(".", 1)[0].rstrip().upper() in _WINDOWS_DEVICES, "it is a device name on Windows"),
)
"""Tried in this order: the first that is broken is told."""
