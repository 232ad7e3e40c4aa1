"""Claims about the page on webhooks: the receiver on it is run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.testing.instance import Instance, free_port
from shared.testing.waiting import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


@contextmanager
def run_from_the_page(secret: str, port: int, folder: Path) -> Iterator[Callable[[], list[str]]]:
    """The program on the page; what it has printed so far."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    environment = {"PATH": os.environ["PATH"], "SECRET": secret, "PORT": str(port)}
    told = folder / "told.txt"
    with told.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=out, stderr=subprocess.DEVNULL)
    try:
        yield lambda: told.read_text("utf-8").splitlines()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def lone(make_instance: Callable[..., Instance]) -> Instance:
    """One ready instance."""
    return make_instance("W").start().wait_ready()


def test_the_receiver_on_the_page_is_told_tried_rotated_and_told_again(lone: Instance, tmp_path: Path) -> None:
    """From a subscription to a delivery that it verified; a test; two secrets for a time; replays with the same id."""
    port = free_port()
    made = lone.api("POST", "/subscriptions", json={"url": f"http://127.0.0.1:{port}/", "events": ["package.*"]}, expect=201).json()
    ask = f"/subscriptions/{made['subscription_id']}"
    assert lone.api("POST", f"{ask}/test").json()["delivered"] is False

    with run_from_the_page(made["secret"], port, tmp_path) as told:
        wait_for(lambda: lone.api("POST", f"{ask}/test").json()["delivered"], "it listens")
        rotated = lone.api("POST", f"{ask}/secret", expect=201).json()
        lone.uploaded(lone.upload("told.pkg", b"told"))
        (delivery,) = wait_for(lambda: _delivered(lone), "it verified by the secret of before")
        lone.api("POST", f"/deliveries/{delivery['delivery_id']}/replay")
        wait_for(lambda: len(_published(told())) == 2, "it was told again")
        missed = lone.api("POST", f"{ask}/replay", json={"since": made["created"]}).json()

        assert rotated["secret"] != made["secret"]
        assert missed == {"replayed": 1, "next": None}
        wait_for(lambda: len(_published(told())) == 3, "and again")
        assert len({line.split()[0] for line in _published(told())}) == 1
        assert any("webhook.test" in line for line in told())
    tries = lone.api("GET", f"/deliveries/{delivery['delivery_id']}").json()["tries"]
    assert {one["status"] for one in tries} == {204}
    secrets = (made["secret"], rotated["secret"])
    assert not any(secret in lone.log(name) for secret in secrets for name in lone.programs)


def _delivered(lone: Instance) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = lone.api("GET", "/deliveries?state=delivered").json()["items"]
    return items


def _published(lines: list[str]) -> list[str]:
    return [line for line in lines if "package.published.v1" in line]
