"""A catalogue that was seeded is one that the instance could have made itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from services.storage.config import StorageSettings
from services.storage.wiring import Storage, build
from shared.core.layout import Layout
from shared.runtime.keys import InstanceKey, open_manifest, open_meta
from shared.testing.seeding import seed

COUNT = 200


def opened(data: Path) -> Storage:
    """The storage service on a seeded folder."""
    return build(StorageSettings(amqp_uri="amqp://localhost", data=data))


def test_without_bytes_the_current_versions_are_wanted(tmp_path: Path) -> None:
    """Fifty names of four versions: the last is current; of twenty packages one is deleted."""
    made = seed(tmp_path, COUNT)

    with closing(opened(tmp_path)) as storage:
        figures = storage.do.questions.figures()
        states = {name: int(figures[f"packages_{name}"]) for name in ("wanted", "superseded", "deleted", "published")}
    assert len(set(made)) == COUNT
    assert states == {"wanted": 50, "superseded": 140, "deleted": 10, "published": 0}


def test_with_bytes_they_are_published(tmp_path: Path) -> None:
    """All of them share one blob; clients find it under each name."""
    seed(tmp_path, COUNT, content=b"the same")

    with closing(opened(tmp_path)) as storage:
        assert storage.do.questions.figures()["packages_published"] == 50
    assert {path.read_bytes() for path in Layout(tmp_path).public.iterdir()} == {b"the same"}


def test_every_record_is_signed_by_the_instance(tmp_path: Path) -> None:
    """Any peer would take them."""
    made = seed(tmp_path, COUNT)

    key = InstanceKey.load_or_create(Layout(tmp_path))
    with closing(opened(tmp_path)) as storage:
        catalogue = storage.do.relations.catalogue
        assert {open_manifest(package.envelope).origin for package in catalogue.packages(made)} == {key.instance_id}
        records = [open_meta(kept.envelope) for said in catalogue.meta(made).values() for kept in said]
    assert {record.author for record in records} == {key.instance_id}
    assert len(records) == COUNT // 10 + COUNT // 20


@pytest.mark.parametrize("chance", [0, 1])
def test_whoever_adds_takes_another_chance(tmp_path: Path, chance: int) -> None:
    """The same one makes the same packages again, which are known then."""
    seed(tmp_path, 10)
    seed(tmp_path, 10, chance=chance)

    with closing(opened(tmp_path)) as storage:
        figures = storage.do.questions.figures()
    assert sum(value for name, value in figures.items() if name.startswith("packages_")) == 10 * (1 + chance)
