"""What the suites about storage's catalogue have in common."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from services.storage.adapters.catalogue import SqlCatalogue
from services.storage.domain.facts import KeptMeta
from services.storage.domain.listing import Listing
from services.storage.domain.package import Package
from services.storage.domain.promotion import Promotion, PromotionState
from services.storage.handlers.records import charter_row, rotation_row
from services.storage.handlers.settling import feed_row
from services.storage.ports import Catalogue, KeptCharter, KeptRotation
from shared.contracts.events import Event
from shared.core.clock import Stamp
from shared.core.meta import MetaField
from shared.runtime.keys import InstanceKey
from shared.testing.builders import ORIGIN
from shared.testing.fakes.catalogue import FakeCatalogue
from shared.testing.fakes.clock import NOON
from shared.testing.records import a_charter, a_meta, a_rotation
from tests.contract.port_databases import KINDS, dispatched, migrated, outbox_of

LATER = NOON + dt.timedelta(minutes=1)
OTHER = InstanceKey.generate()
EVERY_KIND = ("memory", *KINDS)


def said(package: Package, field: MetaField = MetaField.DELETED, author: InstanceKey = ORIGIN, **fields: Any) -> KeptMeta:
    """A meta record about a package, with its envelope."""
    record = a_meta(field, author=author, package_id=package.package_id, **fields)
    envelope = author.sign_meta(record)
    return KeptMeta(record, envelope, hashlib.sha256(envelope).hexdigest())


def charter(of: InstanceKey, **fields: Any) -> KeptCharter:
    """A charter, with its envelope."""
    made = a_charter(of, **fields)
    return KeptCharter(made, of.sign_charter(made))


def rotation(old: InstanceKey, new: InstanceKey, stamp: Stamp) -> KeptRotation:
    """A rotation, with its envelope."""
    made = a_rotation(old, new, stamp)
    return KeptRotation(made, old.sign_rotation(made, new))


def a_promotion(**fields: Any) -> Promotion:
    """A scheduled one."""
    made = Promotion(str(uuid.uuid4()), str(uuid.uuid4()), "App.pkg", "test", "anna", NOON, LATER, PromotionState.SCHEDULED)
    return replace(made, **fields)


def pages_of(ask: Callable[[str | None], tuple[Sequence[Any], str | None]]) -> Iterator[Sequence[Any]]:
    """All pages of a list, one after the other."""
    items, after = ask(None)
    yield items
    while after is not None:
        items, after = ask(after)
        yield items


def listed(catalogue: Catalogue, listing: Listing, limit: int = 100) -> list[Package]:
    """All packages of a list, page by page."""
    return [package for page in pages_of(lambda after: catalogue.page(listing, after, limit)) for package in page]


@dataclass
class Kept:
    """A catalogue, and what it said to the bus."""

    catalogue: Catalogue
    said: Callable[[], Sequence[Event]]

    def save(self, *packages: Package) -> None:
        """Keep and stamp packages, in order."""
        with self.catalogue.changing() as changes:
            for package in packages:
                changes.save_package(package)
                changes.stamp(feed_row(package))

    def know(self, *records: KeptCharter | KeptRotation) -> None:
        """Keep and stamp charters and rotations."""
        with self.catalogue.changing() as changes:
            for record in records:
                if isinstance(record, KeptCharter):
                    changes.save_charter(record)
                    changes.stamp(charter_row(record.charter, record.envelope))
                else:
                    changes.save_rotation(record)
                    changes.stamp(rotation_row(record))

    def say(self, package: Package, *said: KeptMeta) -> None:
        """Keep what was said about a package."""
        with self.catalogue.changing() as changes:
            changes.replace_meta(package.package_id, said)


@contextmanager
def empty_catalogue(kind: str, new_database: Callable[[str], str]) -> Iterator[Kept]:
    """In memory, or in a database of a kind."""
    if kind == "memory":
        fake = FakeCatalogue()
        yield Kept(fake, lambda: fake.dispatched)
        return
    with migrated("storage", new_database(kind)) as database:
        yield Kept(SqlCatalogue(database, outbox_of("storage", database)), lambda: dispatched("storage", database))
