"""The facts of an event as people read them: text of bounded length in which nothing is invisible.

Names, reasons and people come from outside, and may be made to deceive: directions of writing, control characters and the like are
shown as what they are: U+202E as a backslash and `u202e`.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from services.notify.domain.channels.base import Told

MOST_CHARACTERS = 300
MOST_ITEMS = 50
_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_THOUSAND = 1000
_STATES = {"waits_for_approval": "waits for the approval of a second person", "scheduled": "is scheduled"}
_REASONS = {
    "RECEIVER_GONE": "the receiver said that it is gone",
    "RECEIVER_FAILED": "the receiver only failed, for days",
    "OWNER_GONE": "its owner was disabled or deleted",
    "OWNER_MAY_NOT": "its owner may not subscribe any more",
}
_ALARMS = {
    "peer.lagging": "a peer lags behind",
    "transfer.stalled": "a transfer stands still",
    "secret.unreadable": "a secret cannot be read",
    "disk.low": "the disk is nearly full",
    "package.quarantined": "a package is in quarantine",
    "dead_letter.waiting": "messages that could not be handled wait",
    "token.expiring": "a token ends soon",
    "certificate.expiring": "a certificate ends soon",
}
_FROM_RIGHT = frozenset({"R", "AL", "AN"})
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
_PICTURE = "\u2600-\u27bf\u2b1b\U0001f000-\U0001faff"
_JOINER = re.compile(f"(?<=[{_PICTURE}\ufe0f])\u200d(?=[{_PICTURE}])")
"""Between two pictures, of which it makes one."""
_POLICIES = {"keep": "kept, and still offered", "hide": "kept, and no longer offered", "remove": "removed"}


class Facts(dict[str, str]):
    """Facts by name; one that there is not is `unknown`: an older event has fewer fields."""

    def __missing__(self, name: str) -> str:
        return "unknown"


def visible(value: Any, most: int = MOST_CHARACTERS) -> str:
    """Text from outside in one line, with what is invisible escaped; cut after `most` characters, which an ellipsis shows."""
    text = str(value)[: most + 1]
    joiners = {found.start() for found in _JOINER.finditer(text)}
    shown = "".join(
        sign if sign.isprintable() or place in joiners else sign.encode("unicode_escape").decode() for place, sign in enumerate(text)
    )
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def isolated(text: str, facts: Mapping[str, str]) -> str:
    """A text of facts in which those that are written from right to left leave the order of all else as it is.

    Nobody who made a name up can do that: what isolates is invisible, so `visible` would have written it out.
    """
    other_way = {fact for fact in facts.values() if any(unicodedata.bidirectional(sign) in _FROM_RIGHT for sign in fact)}
    if not other_way:
        return text
    longest_first = "|".join(re.escape(fact) for fact in sorted(other_way, key=len, reverse=True))
    return re.sub(longest_first, lambda found: f"{_FIRST_STRONG_ISOLATE}{found[0]}{_POP_ISOLATE}", text)


def facts_of(told: Told) -> Facts:
    """All facts of an event, its fields first; and `here`, the instance that tells."""
    facts = Facts({visible(name, 60): _fact(value) for name, value in list(told.data.items())[:MOST_ITEMS]})
    facts["here"], facts["event_type"] = visible(told.instance), visible(told.event_type)
    facts.update(_derived(told.data))
    return facts


def plain(value: Any, depth: int = 3) -> Any:
    """A value of JSON, as templates may see it: texts made visible, everything bounded."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth:
        return {visible(name, 60): plain(one, depth - 1) for name, one in list(value.items())[:MOST_ITEMS]}
    if isinstance(value, list | tuple) and depth:
        return [plain(one, depth - 1) for one in list(value)[:MOST_ITEMS]]
    return visible(value)


def size(number: float) -> str:
    """A number of bytes for people, in powers of 1000."""
    for unit in _UNITS:
        if number < _THOUSAND or unit == _UNITS[-1]:
            break
        number /= _THOUSAND
    return f"{number:.0f} {unit}" if unit == _UNITS[0] else f"{number:.1f} {unit}"


def moment(time: dt.datetime, zone: dt.tzinfo = dt.UTC) -> str:
    """A time for people, to the minute."""
    there = time.astimezone(zone)
    return f"{there:%Y-%m-%d %H:%M} {visible(there.tzname() or '', 10)}".rstrip()


def _fact(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(visible(one, 60) for one in value[:MOST_ITEMS]) or "none"
    return visible(value)


def _derived(data: Mapping[str, Any]) -> dict[str, str]:
    """What reads better than the field itself, for those that are there."""
    made: dict[str, str] = {}
    for name, make in _DERIVED.items():
        if name in data:
            made |= make(data[name])
    return made


def _whence(peer: Any) -> dict[str, str]:
    return {"whence": f"it came from the peer {visible(peer, 60)}" if peer else "it was uploaded here"}


def _time(name: str, value: Any) -> dict[str, str]:
    try:
        return {name: moment(dt.datetime.fromisoformat(str(value)))}
    except (ValueError, OverflowError):
        return {}


_DERIVED: dict[str, Any] = {
    "size": lambda value: {"size": size(value)} if isinstance(value, int | float) else {},
    "received_from": _whence,
    "current": lambda value: {"note": "" if value else " Clients get another package of that name, which goes before this one."},
    "tags": lambda value: {"tags": _fact(value) if value else "none, so it may go everywhere"},
    "until": lambda value: _time("until", value),
    "issued": lambda value: _time("issued", value),
    "since": lambda value: _time("since", value),
    "kind": lambda value: {"matter": _ALARMS.get(str(value), visible(value))},
    "repeated": lambda value: {"again": f" It was told {visible(value, 20)} times before." if value else ""},
    "steward": lambda value: {"steward": "may steward" if value else "does not steward"},
    "state": lambda value: {"state": _STATES.get(str(value), visible(value, 60).replace("_", " "))},
    "policy": lambda value: {"policy": _POLICIES.get(str(value), visible(value, 60))},
    "person": lambda value: {"by": f" by {visible(value)}" if value else "", "by_whom": f" By {visible(value)}." if value else ""},
    "reason": lambda value: {
        "why": _REASONS.get(str(value), visible(value)),
        "because": f" The reason: {visible(value)}." if value else "",
    },
}
