"""Promise D3: parts of an upload that meet each other, break off, or whose gateway dies: no byte is lost, doubled, or told too early."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
from collections.abc import Iterator

import pytest

from shared.runtime.broker import PrivateBroker
from shared.testing import raw_http
from shared.testing.builders import some_bytes
from shared.testing.instance import Instance
from shared.testing.tus import DATA, MIB, SPEAK, b64, create, finish, offset_of, on_disk, patch, sending, trickling, tus
from shared.testing.uploading import refused
from shared.testing.waiting import wait_for

pytestmark = pytest.mark.promise("D3")


@pytest.fixture(scope="module")
def instance(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance that is impatient with silent senders, and whose clock can be moved."""
    made = Instance("U", tmp_path_factory.mktemp("d3") / "U", broker.uri(next(vhost_names)), settings={"ODST_UPLOAD_SILENCE_SECONDS": "3"})
    made.shift_clock(0)
    with contextlib.closing(made):
        yield made.start().wait_ready()


@pytest.fixture(scope="module")
def beside(instance: Instance) -> Iterator[Instance]:
    """A second gateway of the same instance."""
    made = Instance("U", instance.folder, instance.settings["ODST_AMQP_URI"])
    with contextlib.closing(made.start("services.api_gateway")):
        yield made.wait_ready()


def test_of_two_parts_at_once_exactly_one_is_written(instance: Instance, beside: Instance) -> None:
    """D3: while one is received others are refused with 423, at this gateway and at another one, and add nothing; the first one goes
    on undisturbed."""
    upload_id = create(instance, "two.pkg")
    with sending(instance, upload_id, 0, len(DATA)) as first:
        first.sendall(DATA[:MIB])
        wait_for(lambda: on_disk(instance, upload_id, MIB), "the first one writes")
        with trickling(first, DATA[MIB:]):
            others = [patch(gateway, upload_id, 0, b"\0" * len(DATA)) for gateway in (instance, beside)]
        answer = raw_http.read_answer(first, "PATCH")

    for other in others:
        refused(other, 423, "LOCKED")
        assert other.headers["Retry-After"] == "1"
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(len(DATA)))
    instance.uploaded({"upload_id": upload_id, "name": "two.pkg"})
    assert instance.download_sha256("two.pkg") == hashlib.sha256(DATA).hexdigest()


def test_who_comes_back_while_the_dead_connection_hangs_goes_on_soon(instance: Instance) -> None:
    """D3: a sender that is silent is cut off after `ODST_UPLOAD_SILENCE_SECONDS`; what it sent counts, and the next one goes on there."""
    upload_id = create(instance, "hang.pkg")
    with sending(instance, upload_id, 0, len(DATA)) as hanging:
        hanging.sendall(DATA[:MIB])
        wait_for(lambda: on_disk(instance, upload_id, MIB), "the first bytes are written")

        wait_for(lambda: offset_of(instance, upload_id) == MIB, "the silent sender is cut off")
        finish(instance, upload_id, "hang.pkg")


WHOLE = f"Upload-Checksum: sha256 {b64(hashlib.sha256(DATA).digest())}"


@pytest.mark.parametrize(("lines", "stands"), [([], MIB), ([WHOLE], 0)], ids=["without a checksum", "with one"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_what_came_before_a_cut_counts(instance: Instance, lines: list[str], stands: int, *, reset: bool) -> None:
    """D3: politely closed or reset, what was written is synced and told; but for a part with a checksum, which counts whole or not."""
    upload_id = create(instance, "cut.pkg")
    with sending(instance, upload_id, 0, len(DATA), *lines) as opened:
        opened.sendall(DATA[:MIB])
        wait_for(lambda: on_disk(instance, upload_id, MIB), "the first bytes are written")
        if reset:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            opened.shutdown(socket.SHUT_WR)
            assert json.loads(raw_http.read_answer(opened, "PATCH").body)["code"] == "UPLOAD_INCOMPLETE"

    wait_for(lambda: patch(instance, upload_id, stands, b"").status_code == 204, "nobody writes to it")
    assert offset_of(instance, upload_id) == stands
    finish(instance, upload_id, "cut.pkg")


def test_an_upload_that_is_terminated_meanwhile_is_not_received(instance: Instance) -> None:
    """D3: its writer is told at the end, and nothing of it is kept."""
    upload_id = create(instance, "meanwhile.pkg")
    with sending(instance, upload_id, 0, len(DATA)) as opened:
        opened.sendall(DATA[:MIB])
        wait_for(lambda: on_disk(instance, upload_id, MIB), "it is written")
        assert tus(instance, "DELETE", f"/{upload_id}", **SPEAK).status_code == 204
        opened.sendall(DATA[MIB:])
        answer = raw_http.read_answer(opened, "PATCH")

    assert answer.status == 410
    assert not list((instance.data / "incoming").glob(f"{upload_id}*"))


def test_the_gateway_killed_in_the_middle_loses_and_doubles_nothing(instance: Instance) -> None:
    """D3: killed within a part, and again: the offset is never beyond the bytes on the disk, and the package is right in the end.

    The next gateway takes the next part at once: the lock died with its holder.
    """
    size = 150 * MIB
    data, stood = some_bytes(size), 0
    upload_id = create(instance, "killed.pkg", size)
    part = instance.data / "incoming" / f"{upload_id}.part"
    for kill in range(2):
        with sending(instance, upload_id, stood, size - stood) as opened:
            opened.sendall(data[stood : stood + 70 * MIB])
            wait_for(lambda stood=stood: shown(instance, upload_id) > stood, f"some of it counts before kill {kill}")
            instance.kill("services.api_gateway")
        instance.start("services.api_gateway").wait_ready()
        before, stood = stood, offset_of(instance, upload_id)
        assert before < stood <= before + 70 * MIB
        with part.open("rb") as file:
            assert file.read(stood) == data[:stood]

    finish(instance, upload_id, "killed.pkg", data)


def shown(instance: Instance, upload_id: str) -> int:
    """Where an upload stands, as anybody may see it."""
    return int(instance.api("GET", f"/uploads/{upload_id}").json()["bytes_received"])


def test_what_waits_too_long_expires(instance: Instance) -> None:
    """D3: told beforehand, gone afterwards; its bytes are removed by the sweep."""
    upload_id = create(instance, "late.pkg")
    assert "Upload-Expires" in patch(instance, upload_id, 0, DATA[:MIB]).headers

    instance.shift_clock(8 * 24 * 3600)

    wait_for(lambda: tus(instance, "HEAD", f"/{upload_id}", **SPEAK).status_code == 410, "it expires")
    refused(patch(instance, upload_id, MIB, DATA[MIB:]), 410, "UPLOAD_EXPIRED")
    wait_for(lambda: not list((instance.data / "incoming").glob(f"{upload_id}*")), "its bytes are removed")
