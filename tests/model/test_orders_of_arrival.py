"""Claims about whole meshes in memory: what was heard of first, and what changed while somebody was asking, does not matter in the end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
import structlog

from services.replication.domain.records import Records
from services.storage.domain.package import PackageState
from shared.contracts import events
from shared.testing.mesh_checks import check_agreement, check_site
from shared.testing.mesh_model import Mesh, Site

EVERYTHING = frozenset({"*"})
STOLEN = dt.timedelta(seconds=200)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nobody would read the warnings."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False)
    yield
    structlog.configure(**before)


@pytest.fixture
def line() -> tuple[Mesh, Site, Site, Site]:
    """Three in a line, who show each other everything."""
    mesh = Mesh()
    head, branch, shop = (mesh.add(name, staging_tags=("*",)) for name in "ABC")
    for joiner, inviter in ((branch, head), (shop, branch)):
        mesh.join(joiner, inviter, tags=EVERYTHING, steward=False)
    mesh.bring_to_rest()
    return mesh, head, branch, shop


def buckets(site: Site) -> list[str]:
    """What the drift check compares."""
    return list(site.call("storage", "digest_buckets", shown=["*"], seen=["*"])["buckets"])


@pytest.mark.promise("P8")
def test_a_package_of_a_stolen_key_is_nowhere_in_the_end(line: tuple[Mesh, Site, Site, Site]) -> None:
    """P8: one site had it before it knew of the rotation, gave it to another, and is told it again; a third heard of the rotation first."""
    mesh, head, branch, shop = line
    right = head.upload("App.pkg", b"right", ())
    mesh.bring_to_rest()
    key = head.signer.key
    shop.take_stolen(key, "0" * 32, "App.pkg", b"wrong", mesh.time + STOLEN)
    branch.pull(shop)
    branch.fetch()
    assert [site.store.public["App.pkg"] for site in (branch, shop)] == [branch.store.public["App.pkg"]] * 2
    assert branch.store.public != head.store.public

    head.rotate()
    mesh.bring_to_rest()
    shop.take_stolen(key, "0" * 32, "App.pkg", b"wrong", mesh.time - dt.timedelta(minutes=1))
    mesh.bring_to_rest()

    check_agreement(mesh)
    for site in mesh.sites:
        check_site(site)
        assert site.store.public == head.store.public
        assert site.ask("show_package", reference="App.pkg")["package_id"] == right
        assert buckets(site) == buckets(head)
    assert {one.state for one in branch.packages()} == {PackageState.PUBLISHED, PackageState.REFUSED}


def test_who_is_narrowed_while_it_asks_gets_it_all_once_it_is_widened(
    line: tuple[Mesh, Site, Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to what the feed named holds no manifest: that is nobody's fault, and not for good."""
    mesh, head, branch, _ = line
    package_id = head.upload("App.pkg", b"tagged", ("test",))
    head.ask("retag_package", reference=package_id, tags=["production"], person="anna")
    ask = branch.client.records

    def narrowed(peer: object, packages: list[str], *others: object) -> Records:
        if packages:
            head.register(branch, tags=frozenset({"test"}))
        return ask(peer, packages, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(branch.client, "records", narrowed)
    branch.pull(head)
    assert branch.catalogue.package(package_id) is None

    monkeypatch.undo()
    head.register(branch, tags=EVERYTHING)
    mesh.bring_to_rest()

    assert branch.catalogue.package(package_id) is not None
    refused = [event for site in mesh.sites for event in site.peers.dispatched if isinstance(event, events.RecordRefusedV1)]
    assert refused == []


@pytest.mark.promise("P8")
def test_who_was_dismissed_undoes_nothing_on_the_other_side_of_a_cut() -> None:
    """A steward deletes, is dismissed, and brings back before it hears of that: the package stays deleted, everywhere."""
    mesh = Mesh()
    origin, steward, third = (mesh.add(name) for name in "ABC")
    mesh.join(origin, steward, tags=frozenset(), steward=False)
    mesh.join(third, steward, tags=frozenset(), steward=False)
    package_id = origin.upload("App.pkg", b"one", ())
    mesh.bring_to_rest()
    steward.ask("delete_package", reference=package_id, person="anna")
    mesh.bring_to_rest()

    mesh.away = frozenset({origin})
    mesh.time += dt.timedelta(minutes=1)
    origin.register(steward, steward=False)
    mesh.time += dt.timedelta(minutes=1)
    steward.ask("undelete_package", reference=package_id, person="bert")
    third.pull(steward)
    mesh.away = frozenset()
    mesh.bring_to_rest()

    check_agreement(mesh)
    assert all(site.ask("show_package", reference=package_id)["deleted"] for site in mesh.sites)
