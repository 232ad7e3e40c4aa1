"""Promise B1."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.testing.chaos_proxy import ChaosProxy
from shared.testing.instance import SEPARATE, Instance, random_file
from shared.testing.sampling import PublicSampler
from shared.testing.waiting import wait_for

_MIB = 1 << 20


@pytest.mark.promise("B1")
@pytest.mark.timeout(900)
def test_a_killed_downloader_resumes(
    make_instance: Callable[..., Instance], tmp_path: Path, chance: random.Random, *, long_run: bool
) -> None:
    """B1: the downloader is killed at random points, many times: the right bytes in the end, at most 64 MiB fetched again for
    each kill, and nothing partial or wrong is ever public."""
    size, kills = (1024 * _MIB, 20) if long_run else (192 * _MIB, 4)
    a = make_instance("A")
    with ChaosProxy(a.port, bytes_per_second=30 * _MIB) as link:
        a.settings["ODST_PUBLIC_URL"] = link.url
        b = make_instance("B", programs=SEPARATE)
        a.start()
        b.start()
        a.wait_ready()
        b.wait_ready()
        b.join(a)
        sha256 = random_file(tmp_path / "big.pkg", size, seed=7)
        with PublicSampler(b.data, {"big.pkg": sha256}) as sampler, (tmp_path / "big.pkg").open("rb") as file:
            uploaded = a.uploaded(a.upload("big.pkg", file))
            done = 0
            for kill in range(kills):
                mark = link.bytes_from_target + chance.randrange(_MIB, size // kills // 2)
                wait_for(lambda mark=mark: link.bytes_from_target >= mark, f"bytes move before kill {kill}", deadline_seconds=60)
                transfer = b.transfer_of(uploaded["package_id"])
                assert transfer is None or transfer["bytes_done"] >= done, "what was marked is never lost"
                done = transfer["bytes_done"] if transfer else 0
                b.kill("services.replication")
                b.start("services.replication")
            b.published("big.pkg", sha256, deadline_seconds=180)

        assert b.download_sha256("big.pkg") == sha256
        assert sampler.faults == []
        assert sampler.samples > 0
        assert link.bytes_from_target <= size + kills * 64 * _MIB + 8 * _MIB
