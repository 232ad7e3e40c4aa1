"""A notify service of which only storage is faked, and a Jamf Pro server on a real socket."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from services.notify.adapters.channels.jamf_pro import JamfSender
from services.notify.adapters.guarded_http import Guard, GuardedHttp
from services.notify.adapters.jamf.servers import HttpJamfServers
from services.notify.domain.filters import Package
from services.notify.domain.jamf.comparing import Here
from services.notify.domain.jamf.records import Digests
from services.notify.domain.pace import Pace
from services.notify.handlers.delivering import Delivering
from services.notify.handlers.jamf import JamfDesk
from services.notify.handlers.recording import Recording
from services.notify.handlers.subscribing import Subscribing
from shared.contracts.events import PackagePublishedV1
from shared.runtime.outbound import Limits, trusted_authorities
from shared.testing.certificates import Authority
from shared.testing.jamf_pro import CLIENT_ID, CLIENT_SECRET, FakeJamf, jamf_server
from tests.unit.notify.notify_fakes import LEASE, Desk

PUBLIC_URL = "https://packages.example.org"


def an_id(name: str) -> str:
    """The package id of a file in these tests."""
    return f"00000000-0000-4000-8000-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


@dataclass
class FakeFiles:
    """`PublishedFiles` in memory."""

    contents: dict[str, bytes] = field(default_factory=dict)
    computing: bool = False
    tags: dict[str, frozenset[str]] = field(default_factory=dict)

    def put(self, name: str, content: bytes = b"content") -> Here:
        """Clients get this from now on."""
        self.contents[name] = content
        return self._here(name)

    def _here(self, name: str) -> Here:
        return Here(an_id(name), name, hashlib.sha256(self.contents[name]).hexdigest(), len(self.contents[name]))

    def current(self, name: str) -> Here | None:
        """What clients get."""
        return self._here(name) if name in self.contents else None

    def about(self, package_id: str) -> Package | None:
        """What is known."""
        return next((Package(name, self.tags.get(name, frozenset())) for name in self.contents if an_id(name) == package_id), None)

    def digests(self, package_id: str) -> Digests | None:
        """Of what clients get."""
        content = next((content for name, content in self.contents.items() if an_id(name) == package_id), None)
        if content is None or self.computing:
            return None
        return Digests(hashlib.md5(content, usedforsecurity=False).hexdigest(), hashlib.sha512(content).hexdigest())

    def page(self, after: str | None, limit: int) -> tuple[Sequence[tuple[Here, Package]], str | None]:
        """By name."""
        names = [name for name in sorted(self.contents) if name > (after or "")]
        found = [(self._here(name), Package(name, self.tags.get(name, frozenset()))) for name in names[:limit]]
        return found, names[limit - 1] if len(names) > limit else None


class JamfBench(Desk):
    """Notify with a Jamf Pro channel."""

    def __init__(self, folder: Path, jamf: FakeJamf, authority: Authority) -> None:
        super().__init__(folder)
        self.jamf, self.files = jamf, FakeFiles()
        way_out = GuardedHttp(Guard([ip_network("127.0.0.0/8")]), Limits(10, 60), trusted_authorities(authority.file))
        recording = Recording(HttpJamfServers(way_out, self.clock), self.files)
        ways = {"jamf_pro": JamfSender(way_out, recording)}
        self.subscribing = Subscribing(self.subscriptions, ways, self._ring, self.clock, people=self.people)
        self.delivering = Delivering(
            self.deliveries, ways, self.crew, Pace(2, 4), LEASE, self.clock, lambda: 0.0, dt.timedelta(days=30), 1000, self._ring
        )
        self.desk = JamfDesk(self.subscriptions, self.subscribing, recording, PUBLIC_URL, "Berlin")

    def channel(self, **settings: Any) -> str:
        """Subscribe with these settings; the id."""
        login = {} if "username" in settings else {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        channel = {"kind": "jamf_pro", "settings": {"url": self.jamf.url, **login, **settings}}
        return str(self.subscribing.subscribe(None, ["*"], "admin", channel)["subscription_id"])

    def publish(self, name: str = "Firefox.pkg", content: bytes = b"content", event_id: str = "e1") -> None:
        """Something was published here."""
        here = self.files.put(name, content)
        self.tell(event_id, PackagePublishedV1(package_id=here.package_id, name=name, size=here.size, sha256=here.sha256, origin="O"))

    def drift(self, subscription_id: str) -> list[dict[str, Any]]:
        """All pages of the comparison."""
        found, after = [], None
        while True:
            page = self.desk.compare(subscription_id, after, None, None)
            found += page["items"]
            after = page["next"]
            if after is None:
                return found


@contextmanager
def jamf_bench(folder: Path, **fields: Any) -> Iterator[JamfBench]:
    """A bench with a server such as `fields` say."""
    authority = Authority(folder)
    with jamf_server(authority.issue("127.0.0.1"), **fields) as jamf:
        made = JamfBench(folder, jamf, authority)
        yield made
        made.database.close()
