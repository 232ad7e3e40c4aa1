"""The groups of a person, nested ones too: Active Directory's way and everybody else's.

::

    ad        one search by the matching rule 1.2.840.113556.1.4.1941: the server looks through the nesting
    member    groups with the person in `member`, `uniqueMember` or `memberUid`; then groups with those in them; and so on
    memberof  the same, from the groups in the person's `memberOf` on
    auto      `ad` if the server says that it is one; else from both

On its way up, a walk goes to each group once, so that groups which contain each other end it instead of keeping it. Other
servers than Active Directory answer its matching rule with nothing, not with an error: it is never merely tried.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ldap3.utils.conv import escape_filter_chars

from services.directory.adapters.deadlines import Monotonic
from services.directory.adapters.ldap_connection import Found
from services.directory.adapters.ldap_plan import GroupStyle
from services.directory.domain.distinguished_names import dn_key
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_MOST_GROUPS = 2000
_MOST_LEVELS = 20
_AT_ONCE = 50
"""Groups whose containers are asked for in one search."""
_MOST_CACHED = 5000
_IN_CHAIN = "1.2.840.113556.1.4.1941"


class Reader(Protocol):
    """What is needed of a session."""

    def search(self, base: str, query: str, attributes: Sequence[str] = (), *, most: int = ...) -> list[Found]:
        """Entries below `base`: up to `most`, or one more to say that there are more."""


@dataclass(frozen=True, slots=True)
class Member:
    """Whose groups are wanted."""

    dn: str
    name: str
    """As groups in the style of `posixGroup` have it, in `memberUid`."""
    member_of: tuple[str, ...]


def groups_of(member: Member, reader: Reader, base: str, style: GroupStyle, *, is_active_directory: bool) -> frozenset[str]:
    """The distinguished names of all groups that a person is in."""
    if style is GroupStyle.AD or (style is GroupStyle.AUTO and is_active_directory):
        return _in_chain(member, reader, base)
    found = {} if style is GroupStyle.MEMBER else {dn_key(dn): dn for dn in member.member_of}
    queries = [] if style is GroupStyle.MEMBEROF else [f"(|{_containing(member.dn)}(memberUid={escape_filter_chars(member.name)}))"]
    queries += _queries(found.values())
    for _ in range(_MOST_LEVELS):
        fresh = _fresh(found, reader, base, queries)
        found |= fresh
        if not fresh or len(found) > _MOST_GROUPS:
            break
        queries = list(_queries(fresh.values()))
    else:
        log.warning("ldap_groups_cut", dn=member.dn, levels=_MOST_LEVELS)
    return _bounded(member, found.values())


def _in_chain(member: Member, reader: Reader, base: str) -> frozenset[str]:
    query = f"(&(objectClass=group)(member:{_IN_CHAIN}:={escape_filter_chars(member.dn)}))"
    return _bounded(member, (group.dn for group in reader.search(base, query, most=_MOST_GROUPS)))


def _fresh(found: dict[str, str], reader: Reader, base: str, queries: Iterable[str]) -> dict[str, str]:
    seen = {dn_key(group.dn): group.dn for query in queries for group in reader.search(base, query, most=_MOST_GROUPS)}
    return {key: dn for key, dn in seen.items() if key not in found}


def _queries(groups: Iterable[str]) -> Iterator[str]:
    waiting = list(groups)
    for start in range(0, len(waiting), _AT_ONCE):
        yield f"(|{''.join(map(_containing, waiting[start : start + _AT_ONCE]))})"


def _containing(dn: str) -> str:
    escaped = escape_filter_chars(dn)
    return f"(member={escaped})(uniqueMember={escaped})"


def _bounded(member: Member, groups: Iterable[str]) -> frozenset[str]:
    """Not more than are sane. Whoever has more gets less than is due, never more."""
    some = sorted(groups)
    if len(some) > _MOST_GROUPS:
        log.warning("ldap_groups_cut", dn=member.dn, groups=len(some), kept=_MOST_GROUPS)
    return frozenset(some[:_MOST_GROUPS])


class GroupCache:
    """Groups that were looked up a moment ago. Nothing about passwords is ever in it."""

    def __init__(self, seconds: float, clock: Monotonic) -> None:
        """With 0 seconds, nothing is kept."""
        self._seconds, self._clock = seconds, clock
        self._kept: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, dn: str, look_up: Callable[[], frozenset[str]]) -> frozenset[str]:
        """What is known of a person, or what `look_up` says."""
        key = dn_key(dn)
        with self._lock:
            until, groups = self._kept.get(key, (float("-inf"), frozenset()))
        if self._clock() < until:
            return groups
        groups = look_up()
        with self._lock:
            self._kept[key] = (self._clock() + self._seconds, groups)
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_CACHED:
                self._kept.popitem(last=False)
        return groups
