"""What must hold in a mesh: at every moment for each instance, and between instances once all news have gone round.

Worked out here in the plainest way from the signed records alone, so that it can be compared with what the handlers came to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.storage.domain.package import Package, PackageState
from services.storage.domain.settling import GonePolicy
from services.storage.ports import FeedRow
from shared.core.clock import MAX_AHEAD, Stamp
from shared.core.identity import InstanceId
from shared.core.meta import MetaField, MetaRecord
from shared.core.staging import Tags, entitled
from shared.core.trust import Trust

if TYPE_CHECKING:
    from shared.testing.mesh_model import Mesh, Site


@dataclass(frozen=True)
class Facts:
    """What the records about a package come to."""

    tags: Tags
    deleted: bool
    raised: Stamp | None


def _trust(site: Site) -> Trust:
    return Trust.of((one.charter for one in site.catalogue.charters()), (one.rotation for one in site.catalogue.rotations()))


def expected_facts(site: Site, package: Package) -> Facts:
    """Of each field, the latest word of anybody who may say it."""
    trust = _trust(site)
    said = [one.record for one in site.catalogue.meta([package.package_id]).get(package.package_id, ())]
    heard = [one for one in said if trust.may_steward(one.author, package.manifest.origin, one.stamp)]

    def last(field: MetaField) -> MetaRecord | None:
        return max((one for one in heard if one.field is field), key=lambda one: (one.stamp, one.author.text), default=None)

    tags, deleted, raised = last(MetaField.TAGS), last(MetaField.DELETED), last(MetaField.RAISED)
    return Facts(
        tags=tags.tags if tags else package.manifest.tags,
        deleted=deleted is not None and deleted.value is True,
        raised=raised.stamp if raised else None,
    )


def check_site(site: Site) -> None:
    """Everything that must hold for one instance at any moment."""
    packages = site.packages()
    facts = {package.package_id: expected_facts(site, package) for package in packages}
    for package in packages:
        _check_package(site, package, facts[package.package_id])
    for name in {package.name for package in packages}:
        _check_name(site, name, [package for package in packages if package.name == name], facts)
    check_feed(site)


def _check_package(site: Site, package: Package, facts: Facts) -> None:
    what = f"{site.name}: {package.name} {package.package_id[:8]}"
    known = Facts(package.tags, package.deleted is not None, package.raised)
    assert known == facts, f"{what} is taken for {known}; its records say {facts}"
    assert package.is_refused != _counts(site, package), f"{what} is {package.state}, and its manifest counts: {_counts(site, package)}"
    own = str(package.manifest.origin) in site.ids
    assert own or (site.name, package.package_id) in site.mesh.given, f"{what} is known, and nobody might give it"
    assert package.state is not PackageState.PUBLISHED or site.store.has_blob(package.sha256), f"{what} has no bytes"


def _counts(site: Site, package: Package) -> bool:
    """True if its origin's key was good when it was made, by all that is known here."""
    trust, origin, made = _trust(site), package.manifest.origin, Stamp.of(package.manifest.created)
    judges = trust.stewards_of(InstanceId(site.ids[-1]), made)
    is_own = str(origin) in site.ids
    return not trust.was_rotated_away(origin, made) and (is_own or not trust.is_revoked(origin, made, judges))


def _may_be_here(site: Site, package: Package, facts: Facts) -> bool:
    kept = site.settings.gone_policy is GonePolicy.KEEP and package.bytes_here and _counts(site, package)
    return kept or _concerns(site, package, facts)


def _concerns(site: Site, package: Package, facts: Facts) -> bool:
    own = str(package.manifest.origin) in site.ids
    return _counts(site, package) and (own or (not package.gone and entitled(facts.tags, site.settings.staging_tags)))


def _check_name(site: Site, name: str, packages: list[Package], facts: dict[str, Facts]) -> None:
    """Clients get the latest one above all tombstones that may be here and whose bytes are here: that, or nothing."""
    order = _precedence(facts)
    tombs = [order(one) for one in packages if facts[one.package_id].deleted and _concerns(site, one, facts[one.package_id])]
    live = [one for one in packages if not facts[one.package_id].deleted and _may_be_here(site, one, facts[one.package_id])]
    live = [one for one in live if one.state is not PackageState.QUARANTINED and order(one) > max(tombs, default=(Stamp(0), ""))]
    live.sort(key=order, reverse=True)
    shown = next((one for one in live if one.bytes_here), None)
    published = [one for one in packages if one.state is PackageState.PUBLISHED]
    assert published == ([shown] if shown else []), f"{site.name}: {name} is published as {published}, not as {shown}"
    assert site.store.public.get(name) == (shown.sha256.hex if shown else None), f"{site.name}: clients get another {name}"
    wanted = [one for one in packages if one.state is PackageState.WANTED]
    assert wanted == [one for one in live[:1] if not one.bytes_here], f"{site.name}: of {name} {wanted} is wanted"


def _precedence(facts: dict[str, Facts]) -> Callable[[Package], tuple[Stamp, str]]:
    def of(package: Package) -> tuple[Stamp, str]:
        made, raised = Stamp.of(package.manifest.created), facts[package.package_id].raised
        return max(made, raised or made), package.package_id

    return of


Words = dict[tuple[str, str, InstanceId], Stamp]
"""When an author said something about a field of a package."""


def check_words(site: Site, before: Words) -> Words:
    """Of each author, only a later word takes the place of one that counts, unless that was said with a clock far ahead."""
    packages = {package.package_id: package for package in site.packages()}
    records = [one.record for kept in site.catalogue.meta(list(packages)).values() for one in kept]
    now = {(one.package_id, one.field.value, one.author): one.stamp for one in records}
    trust = _trust(site)
    for (package_id, field, author), stamp in before.items():
        counts = package_id in packages and trust.may_steward(author, packages[package_id].manifest.origin, stamp)
        if counts and stamp.time <= site.now() + MAX_AHEAD:
            later = now.get((package_id, field, author), Stamp(0))
            assert later >= stamp, f"{site.name} went back from {stamp} to {later}: {field} of {package_id}"
    return now


def check_feed(site: Site) -> None:
    """Every record has one place in the feed, with what is known now, and whoever reads page by page meets all of them."""
    rows: list[FeedRow] = []
    after = 0
    while True:
        page = site.catalogue.changes(after, 4)
        rows += page.rows
        after = page.next
        if not page.more:
            break
    numbers = [row.seq for row in rows]
    assert numbers == sorted(set(numbers)), f"{site.name}: the feed has no order"
    assert not numbers or numbers[-1] <= site.catalogue.feed_position()[1], f"{site.name}: the feed goes on after its end"
    known = {("package", one.package_id): one.manifest_digest for one in site.packages()}
    about = {(row.kind, row.record_id): row.digest for row in rows if row.kind == "package"}
    assert about == known, f"{site.name}: the feed is not what is known"
    who = {("charter", str(one.charter.instance_id)) for one in site.catalogue.charters()}
    who |= {("rotation", str(one.rotation.old)) for one in site.catalogue.rotations()}
    assert who == {(row.kind, row.record_id) for row in rows if row.kind != "package"}, f"{site.name}: the feed lacks relations"


def check_agreement(mesh: Mesh) -> None:
    """Once all news have gone round: neighbours agree on all that they may see of each other, and so does the whole mesh."""
    for site in mesh.sites:
        for other in mesh.neighbours(site):
            _check_relations(site, other)
            _check_neighbours(site, other)
        _check_withdrawn(mesh, site)
        _check_fetched(mesh, site)


def _check_relations(site: Site, other: Site) -> None:
    ours, theirs = _relations(site), _relations(other)
    differing = {name: (ours.get(name), theirs.get(name)) for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    assert not differing, f"{site.name} and {other.name} know different charters or rotations: {differing}"


def _relations(site: Site) -> dict[str, str]:
    """Stamps of charters that count and of rotations, by the name of whom they are about and the number of its key."""
    trust = Trust.of((), (one.rotation for one in site.catalogue.rotations()))
    charters = [one.charter for one in site.catalogue.charters()]
    counting = [one for one in charters if not trust.was_rotated_away(one.instance_id, one.stamp)]
    found = {_key_name(site, one.instance_id): str(one.stamp) for one in counting}
    return found | {f"after {_key_name(site, one.rotation.old)}": str(one.rotation.stamp) for one in site.catalogue.rotations()}


def _key_name(site: Site, instance_id: InstanceId) -> str:
    owner = site.mesh.site_of(str(instance_id))
    return f"{owner.name}{owner.ids.index(str(instance_id))}"


def shows(site: Site, other: Site, package: Package) -> bool:
    """True if a registration lets the other see this package, as its owner here knows it."""
    return not package.is_refused and entitled(package.tags, site.registration(other).tags)


def _check_neighbours(site: Site, other: Site) -> None:
    """What one shows to the other, the other knows: the same, or, if it does not show it in turn, that and what it said since."""
    for package in site.packages():
        if not shows(site, other, package):
            continue
        theirs = other.catalogue.package(package.package_id)
        what = f"{package.name} {package.package_id[:8]}, which {site.name} shows to {other.name},"
        assert theirs is not None, f"{what} is not known there"
        _check_heard(site, other, package, theirs, what)
        if shows(other, site, theirs):
            assert theirs.manifest_digest == package.manifest_digest, f"{what} has another manifest there"
            assert theirs.meta_digest == package.meta_digest, f"{what} is spoken of differently there: {theirs} {package}"
            assert (theirs.tags, theirs.deleted, theirs.raised) == (package.tags, package.deleted, package.raised), what


def _check_heard(site: Site, other: Site, package: Package, theirs: Package, what: str) -> None:
    """The manifest there is no older, and of each author's word on each field none is older there either."""
    ours, known = ((one.manifest.revision, one.manifest_digest) for one in (package, theirs))
    assert known >= ours, f"{what} has an older manifest there"
    said, heard = (_words(one, package.package_id) for one in (site, other))
    missed = {key: (word, heard.get(key)) for key, word in said.items() if heard.get(key, (Stamp(0), "")) < word}
    assert not missed, f"{what} is spoken of as it was before: {missed}"


def _words(site: Site, package_id: str) -> dict[tuple[MetaField, InstanceId], tuple[Stamp, str]]:
    """The latest word of each author on each field of a package."""
    kept = site.catalogue.meta([package_id]).get(package_id, ())
    return {one.record.key: (one.record.stamp, one.digest) for one in kept}


def _check_withdrawn(mesh: Mesh, site: Site) -> None:
    """Whoever is shown a package by nobody has it no longer, unless it is its own or policy keeps it."""
    if site.settings.gone_policy is GonePolicy.KEEP:
        return
    for package in site.packages():
        shown = any(
            shows(other, site, theirs) for other in mesh.neighbours(site) if (theirs := other.catalogue.package(package.package_id))
        )
        own = str(package.manifest.origin) in site.ids
        assert own or shown or package.state is not PackageState.PUBLISHED, f"{site.name} still gives {package.name} to clients"


def _check_fetched(mesh: Mesh, site: Site) -> None:
    """What is wanted and to be had is here."""
    for package in site.packages():
        if package.state is PackageState.WANTED:
            givers = [other for other in mesh.neighbours(site) if _gives(other, site, package)]
            assert not givers, f"{site.name} did not get {package.name} {package.package_id[:8]} from {[one.name for one in givers]}"


def _gives(other: Site, site: Site, package: Package) -> bool:
    theirs = other.catalogue.package(package.package_id)
    return theirs is not None and theirs.is_offered and shows(other, site, theirs)
