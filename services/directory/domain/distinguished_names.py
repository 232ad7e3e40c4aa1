r"""Distinguished names (RFC 4514), compared as directories do: `CN=Ops\2C West, DC=x` and `cn=ops\, west,dc=X` are one."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)|(.)", re.DOTALL)
_SPECIAL = re.compile(r"[,+=\\]")
Token = tuple[bytes, bool]
"""A character or an escaped octet, and whether it stands for itself alone, as an unescaped separator does not."""


def dn_key(name: str) -> str:
    """A text that is the same for all spellings of one distinguished name; what is none is compared as text, without case."""
    tokens = list(_read(name))
    if (b"=", False) not in tokens:
        return " ".join(name.split()).casefold()
    return ",".join("+".join(sorted(map(_pair, _cut(part, b"+")))) for part in _cut(tokens, b","))


def _read(name: str) -> Iterator[Token]:
    for octet, escaped, plain in _TOKEN.findall(name):
        if octet:
            yield bytes.fromhex(octet), True
        else:
            yield (escaped or plain).encode("utf-8", "surrogatepass"), bool(escaped)


def _cut(tokens: list[Token], separator: bytes) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token == (separator, False):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _pair(tokens: list[Token]) -> str:
    """One `attribute=value`, in one spelling."""
    middle = tokens.index((b"=", False)) if (b"=", False) in tokens else -1
    return f"{_text(tokens[: middle + 1]).rstrip('=').strip()}={_SPECIAL.sub(_escaped, _text(tokens[middle + 1 :]))}"


def _text(tokens: list[Token]) -> str:
    joined = b"".join(octets for octets, _ in tokens).decode("utf-8", "replace")
    return " ".join(joined.split()).casefold()


def _escaped(found: re.Match[str]) -> str:
    return f"\\{ord(found.group()):02x}"
