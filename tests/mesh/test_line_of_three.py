"""A line of three instances: what is uploaded at one end is published at the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance, random_file
from shared.testing.mesh import register_in_line
from shared.testing.sites import bytes_fetched, running

Line = tuple[Instance, Instance, Instance]


@pytest.fixture(scope="module")
def line(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A, B and C; B registered with A, C with B only."""
    folder = tmp_path_factory.mktemp("line")
    a, b, c = (Instance(name, folder / name, broker.uri(next(vhost_names))) for name in "ABC")
    with running(a, b, c):
        register_in_line(a, b, c)
        yield a, b, c


def _bytes_fetched(line: Line) -> int:
    return sum(bytes_fetched(instance) for instance in line)


def test_an_upload_at_one_end_is_published_at_the_other(line: Line, tmp_path: Path) -> None:
    """Byte for byte, with the same digests, ETag and date everywhere, and one correlation id all the way."""
    a, _, c = line
    sha256 = random_file(tmp_path / "hop.pkg", 40 * 1024 * 1024 + 17, seed=1)
    with (tmp_path / "hop.pkg").open("rb") as file:
        a.uploaded(a.upload("hop.pkg", file, **{"Ods-Correlation-Id": "correlation-of-hop"}))
    packages = [instance.published("hop.pkg", sha256) for instance in line]

    assert len({package["package_id"] for package in packages}) == 1
    assert {package["sha1"] for package in packages} == {hashlib.sha1((tmp_path / "hop.pkg").read_bytes()).hexdigest()}
    assert [instance.download_sha256("hop.pkg") for instance in line] == [sha256] * 3
    heads = [requests.head(f"{instance.url}/packages/hop.pkg", timeout=10).headers for instance in line]
    assert len({(head["ETag"], head["Last-Modified"], head["Content-Length"]) for head in heads}) == 1
    published = c.log_events("services", "package_published")[-1]
    assert published["correlation_id"] == a.log_events("services", "package_published")[-1]["correlation_id"] == "correlation-of-hop"


def test_a_second_upload_of_the_same_bytes_moves_nothing(line: Line) -> None:
    """Same name at another instance: already there. Another name: a new package everywhere, and not one byte over the wire."""
    a, _, c = line
    data = bytes(range(256)) * 20_000
    a.uploaded(a.upload("first.pkg", data))
    for instance in line:
        instance.published("first.pkg")
    before = _bytes_fetched(line)

    assert c.uploaded(c.upload("first.pkg", data))["state"] == "already_here"
    renamed = a.uploaded(a.upload("renamed.pkg", data))
    there = c.published("renamed.pkg")

    assert there["package_id"] == renamed["package_id"]
    assert _bytes_fetched(line) == before


def test_bytes_flow_both_ways(line: Line) -> None:
    """What is uploaded at C reaches A, through B."""
    a, _, c = line
    c.uploaded(c.upload("backwards.pkg", b"x" * 3_000_000))

    assert a.published("backwards.pkg")["origin"] == c.api("GET", "/status").json()["instance"]["instance_id"]


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 1024 * 1024 + 1])
def test_odd_sizes_arrive(line: Line, size: int) -> None:
    """Empty, one byte, exactly one chunk, one byte more."""
    a, _, c = line
    data = b"\x5a" * size
    a.uploaded(a.upload(f"size-{size}.pkg", data))
    c.published(f"size-{size}.pkg", hashlib.sha256(data).hexdigest())

    assert requests.get(f"{c.url}/packages/size-{size}.pkg", timeout=10).content == data


def test_new_bytes_under_the_same_name_supersede(line: Line) -> None:
    """The newer is what clients get, at every instance; the older stays known by its id, and its bytes can be had by their digest."""
    a, _, c = line
    old = a.uploaded(a.upload("tool.pkg", b"version 1"))["package_id"]
    c.published("tool.pkg")
    a.uploaded(a.upload("tool.pkg", b"version 2"))
    c.published("tool.pkg", hashlib.sha256(b"version 2").hexdigest())

    assert requests.get(f"{c.url}/packages/tool.pkg", timeout=10).content == b"version 2"
    assert c.api("GET", f"/packages/{old}").json()["state"] == "superseded"
    for number in (1, 2):
        content = f"version {number}".encode()
        answer = requests.get(f"{c.url}/digests/sha256/{hashlib.sha256(content).hexdigest()}", timeout=10)
        assert answer.content == content
    assert requests.get(f"{c.url}/digests/sha256/{'0' * 64}", timeout=10).status_code == 404
