"""Large uploads by real clients over a link that breaks: tuspy, and the `odst` command."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tusclient.client import TusClient

from cli.main import main
from shared.runtime.broker import PrivateBroker
from shared.testing.chaos_proxy import ChaosProxy
from shared.testing.instance import Instance, random_file
from shared.testing.waiting import wait_for

MIB = 1 << 20
_HEADERS = 8 * 1024
"""More than the head of any request here."""


@pytest.fixture(scope="module")
def instance(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance for all tests here."""
    made = Instance("L", tmp_path_factory.mktemp("link") / "L", broker.uri(next(vhost_names)))
    with contextlib.closing(made):
        yield made.start().wait_ready()


def moments(times: int, size: int, chance: random.Random) -> list[int]:
    """When the link is to be cut while a file of this size goes over it: after so many bytes each."""
    return sorted(chance.sample(range(MIB, size - MIB), times))


@pytest.mark.promise("D3")
@pytest.mark.timeout(600)
def test_tuspy_uploads_over_a_link_that_is_cut_ten_times(
    instance: Instance, tmp_path: Path, chance: random.Random, *, long_run: bool
) -> None:
    """D3: a client that is not ours sends a file over ten cuts: nothing is sent twice but the chunk in flight, and every byte is right."""
    size, chunk, times = (1024 * MIB, 16 * MIB, 10) if long_run else (96 * MIB, 4 * MIB, 10)
    sha256 = random_file(tmp_path / "tuspy.pkg", size, seed=chance.randrange(1 << 30))
    cuts = moments(times, size, chance)
    with ChaosProxy(instance.port) as link:
        link.cuts_at += cuts
        client = TusClient(f"{link.url}/api/v1/uploads", headers={"Authorization": f"Bearer {instance.token}"})
        uploader = client.uploader(
            str(tmp_path / "tuspy.pkg"), chunk_size=chunk, metadata={"filename": "tuspy.pkg"}, retries=20, retry_delay=0
        )
        uploader.upload()
    requests_sent = size // chunk + 21 * times
    print(f"{size >> 20} MiB, cut at {[cut >> 20 for cut in cuts]} MiB, sent {link.bytes_to_target - size} bytes more than the file")

    assert link.cuts_at == []
    assert size < link.bytes_to_target <= size + times * chunk + requests_sent * _HEADERS
    instance.published("tuspy.pkg", sha256, deadline_seconds=180)
    assert instance.download_sha256("tuspy.pkg") == sha256
    assert sum(item["name"] == "tuspy.pkg" for item in instance.api("GET", "/uploads").json()["items"]) == 1


def environment(instance: Instance, folder: Path, url: str) -> dict[str, str]:
    """Of the command."""
    return {"ODST_URL": url, "ODST_TOKEN": instance.token, "XDG_CACHE_HOME": str(folder / "cache")}


def odst(instance: Instance, folder: Path, url: str, *words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, [*words, "--json"], env=environment(instance, folder, url), catch_exceptions=False)


def test_the_command_goes_on_after_each_cut(instance: Instance, tmp_path: Path, chance: random.Random) -> None:
    """By itself; what is sent again is what was in flight, and nothing is left to remember."""
    size = 48 * MIB
    sha256 = random_file(tmp_path / "cuts.pkg", size, seed=1)
    with ChaosProxy(instance.port) as link:
        link.cuts_at += moments(3, size, chance)
        result = odst(instance, tmp_path, link.url, "upload", str(tmp_path / "cuts.pkg"))

    assert (result.exit_code, json.loads(result.stdout)["state"]) == (0, "published"), result.output
    assert instance.download_sha256("cuts.pkg") == sha256
    assert link.cuts_at == []
    assert link.bytes_to_target <= size + 3 * 8 * MIB
    assert list((tmp_path / "cache" / "odst" / "uploads").iterdir()) == []


def test_the_command_goes_on_when_it_is_given_again(instance: Instance, tmp_path: Path) -> None:
    """Killed in the middle, and given again: the same upload goes on, and its last bytes are all that is sent."""
    size = 48 * MIB
    sha256 = random_file(tmp_path / "again.pkg", size, seed=2)
    command = [sys.executable, "-m", "cli.main", "upload", str(tmp_path / "again.pkg"), "--no-wait"]
    with ChaosProxy(instance.port, bytes_per_second=24 * MIB) as link:
        process = subprocess.Popen(command, env=os.environ | environment(instance, tmp_path, link.url), stdout=subprocess.DEVNULL)
        wait_for(lambda: link.bytes_to_target > size // 2, "half of it is sent")
        process.send_signal(signal.SIGKILL)
        process.wait()
        link.bytes_per_second = None
        result = odst(instance, tmp_path, link.url, "upload", str(tmp_path / "again.pkg"))

    assert json.loads(result.stdout)["state"] == "published"
    assert instance.download_sha256("again.pkg") == sha256
    assert link.bytes_to_target <= size + 8 * MIB
    assert sum(item["name"] == "again.pkg" for item in listed(instance, tmp_path)) == 1


def listed(instance: Instance, folder: Path) -> list[dict[str, Any]]:
    """Uploads as the command lists them."""
    return list(json.loads(odst(instance, folder, instance.url, "uploads", "list").stdout)["items"])


def test_known_bytes_are_not_sent_and_an_upload_can_be_cancelled(instance: Instance, tmp_path: Path) -> None:
    """`--digest` tells what is coming; `uploads cancel` gives an upload up, and the next try begins anew."""
    random_file(tmp_path / "one.pkg", 20 * MIB, seed=3)
    first = odst(instance, tmp_path, instance.url, "upload", str(tmp_path / "one.pkg"), "--digest")
    assert json.loads(first.stdout)["state"] == "published"
    with ChaosProxy(instance.port) as link:
        twin = odst(instance, tmp_path, link.url, "upload", str(tmp_path / "one.pkg"), "--digest", "--name", "two.pkg")
        assert json.loads(twin.stdout)["state"] == "published"
        assert link.bytes_to_target < MIB
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "filename YS5wa2c="}
    upload_id = instance.api("POST", "/uploads", headers=headers, expect=201).json()["upload_id"]

    assert odst(instance, tmp_path, instance.url, "uploads", "cancel", upload_id).exit_code == 0
    assert next(item for item in listed(instance, tmp_path) if item["upload_id"] == upload_id)["state"] == "aborted"
    again = odst(instance, tmp_path, instance.url, "uploads", "cancel", upload_id)
    assert (again.exit_code, "UPLOAD_CANCELLED" in again.stderr) == (1, True)
