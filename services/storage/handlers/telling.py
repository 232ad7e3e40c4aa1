"""What is told when the facts about a package changed, and who wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.storage.domain.facts import Facts
from services.storage.domain.package import Package
from shared.contracts import events
from shared.core.meta import MetaField


def fact_events(before: Package | None, after: Package, facts: Facts) -> Iterator[events.Event]:
    """Events about tags, deletion and precedence, with author and person of the record that counts."""
    tagged, deleted, raised = (facts.word(field) for field in MetaField)
    about: dict[str, Any] = {"package_id": after.package_id, "name": after.name, "tags": tuple(sorted(after.tags))}
    if tagged and before is not None and before.tags != after.tags:
        yield events.PackageRetaggedV1(**about, author=str(tagged.author), person=tagged.person)
    if deleted and before is not None and after.deleted and not before.deleted:
        yield events.PackageDeletedV1(**about, author=str(deleted.author), person=deleted.person)
    if deleted and before is not None and before.deleted and not after.deleted:
        yield events.PackageRestoredV1(**about, author=str(deleted.author), person=deleted.person)
    if raised and before is not None and before.raised != after.raised:
        yield events.PackageRaisedV1(**about, author=str(raised.author), person=raised.person)
