"""Live events of a whole instance: what is told, to whom, what a reader finds when it comes back, and when a stream ends."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from odst_client import CallFailed, Client
from shared.runtime.broker import PrivateBroker
from shared.testing.beside import meanwhile
from shared.testing.event_stream import Follower
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "amqp.md"
SOON = {
    "ODST_EVENTS_RECHECK_SECONDS": "0.5",
    "ODST_EVENTS_HEARTBEAT_SECONDS": "0.5",
    "ODST_EVENTS_READERS": "12",
    "ODST_EVENTS_READERS_PER_PERSON": "8",
}


@pytest.fixture(scope="module")
def uri(broker: PrivateBroker, vhost_names: Iterator[str]) -> str:
    """A virtual host for the instance of this file."""
    return broker.uri(next(vhost_names))


@pytest.fixture(scope="module")
def instance(uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A whole instance that looks again soon."""
    made = Instance("A", tmp_path_factory.mktemp("live") / "A", uri, settings=SOON)
    with contextlib.closing(made.start()):
        made.wait_ready()
        yield made


@pytest.fixture
def follow(instance: Instance) -> Iterator[Callable[..., Follower]]:
    """Follows the instance, as administrator unless told otherwise."""
    with contextlib.ExitStack() as stack:

        def begin(query: str = "", last: str | None = None, token: str | None = None) -> Follower:
            follower = stack.enter_context(Follower(instance.url, token or instance.token, query, last))
            if follower.answer.status_code == requests.codes.ok:
                wait_for(lambda: follower.got, "the stream begins")
            return follower

        yield begin


def a_token(instance: Instance, **wish: Any) -> dict[str, Any]:
    """A token with these limits."""
    found: dict[str, Any] = instance.api("POST", "/tokens", json={"name": "t", **wish}, expect=201).json()
    return found


def publish(instance: Instance, name: str, tags: str = "test") -> None:
    """A package of this name."""
    instance.uploaded(instance.upload(name, name.encode(), **{"Ods-Tags": tags}))


def measured(instance: Instance, name: str) -> float:
    """A metric of live events."""
    found = re.search(f"^odst_live_{re.escape(name)} (.+)$", requests.get(f"{instance.url}/metrics", timeout=30).text, re.MULTILINE)
    assert found, name
    return float(found[1])


def test_an_upload_is_seen_from_its_arrival_to_its_publication(instance: Instance, follow: Callable[..., Follower]) -> None:
    """In order, each once, well-formed; with the fields that keep proxies from holding it back, and a pulse when nothing happens."""
    follower = follow("?types=package.*")
    publish(instance, "Seen.pkg")

    published = follower.wait("package.published.v1", name="Seen.pkg")
    wait_for(lambda: any(one.comment == "alive" for one in follower.got), "the stream shows that it lives")

    assert follower.types == ["package.received.v1", "package.hashed.v1", "package.published.v1"]
    assert published.data["tags"] == ["test"]
    assert follower.answer.headers["Content-Type"] == "text/event-stream"
    assert (follower.answer.headers["X-Accel-Buffering"], follower.answer.headers["Cache-Control"]) == ("no", "no-store")


def test_who_comes_back_misses_nothing(instance: Instance, follow: Callable[..., Follower]) -> None:
    """By header or in the address; also who had received nothing yet. An id that nobody knows is answered with the truth."""
    first = follow("?types=package.published")
    began = first.last
    publish(instance, "One.pkg")
    last = first.wait("package.published.v1", name="One.pkg").event_id
    first.answer.close()
    publish(instance, "Two.pkg")

    assert follow("?types=package.published", last=last).wait("package.published.v1").data["name"] == "Two.pkg"
    assert follow(f"?types=package.published&after={last}").wait("package.published.v1").data["name"] == "Two.pkg"
    assert follow("?types=package.published", last=began).wait("package.published.v1").data["name"] == "One.pkg"
    assert follow(last="0" * 8).wait("events.lost").data["reason"] == "UNKNOWN_EVENT"


def test_names_and_tags_choose(instance: Instance, follow: Callable[..., Follower]) -> None:
    """What is chosen comes, and nothing else."""
    by_name, by_tag = follow("?names=Chosen.pkg,Other.pkg"), follow("?tags=production")
    publish(instance, "Ignored.pkg", "test")
    publish(instance, "Chosen.pkg", "production")

    assert {one.data["name"] for one in (by_name.wait("package.published.v1"), by_tag.wait("package.published.v1"))} == {"Chosen.pkg"}
    assert "Ignored.pkg" not in {one.data.get("name") for one in [*by_name.events, *by_tag.events]}


def test_everybody_is_told_what_they_may_know(instance: Instance, follow: Callable[..., Follower]) -> None:
    """Who may only look hears nothing of the doors; who has only narrowed grants nothing of packages outside of them, or nothing at all."""
    instance.api("POST", "/people", json={"name": "vera", "role": "viewer"}, expect=201)
    viewer = follow(token=a_token(instance, role="viewer")["token"])
    service = {"name": "robot", "service": True, "grants": [{"role": "uploader", "tags": ["test"]}]}
    instance.api("POST", "/people", json=service, expect=201)
    narrowed = follow(token=a_token(instance, person="robot", grants=service["grants"])["token"])
    administrator = follow()
    publish(instance, "Secret.pkg", "production")
    publish(instance, "Open.pkg", "test")
    for one in (viewer, narrowed, administrator):
        one.wait("package.published.v1", name="Open.pkg")
    administrator.wait("door.acted.v1", operation="upload")

    assert "door.acted.v1" not in viewer.types + narrowed.types
    assert "Secret.pkg" in {one.data.get("name") for one in viewer.events}
    assert {one.data.get("name") for one in narrowed.events if one.event.startswith("package.")} == {"Open.pkg"}
    assert requests.get(f"{instance.url}/api/v1/events", timeout=30).status_code == requests.codes.unauthorized
    elsewhere = a_token(instance, grants=[{"role": "viewer", "instances": ["A" * 52]}])["token"]
    assert follow(token=elsewhere).answer.status_code == requests.codes.forbidden


def test_a_stream_ends_with_the_right_to_it(instance: Instance, follow: Callable[..., Follower]) -> None:
    """Its token is revoked or expires, or its person is disabled: it is told, and ends; the others go on, and it is counted."""
    instance.api("POST", "/people", json={"name": "dora", "service": True, "grants": [{"role": "viewer"}]}, expect=201)
    short, revoked, hers = (a_token(instance, **wish) for wish in ({"valid_seconds": 5}, {"role": "viewer"}, {"person": "dora"}))
    doomed, other = [follow(token=one["token"]) for one in (short, revoked, hers)], follow()
    instance.api("DELETE", f"/tokens/{revoked['token_id']}", expect=204)
    instance.api("POST", "/people/dora/disable")

    reasons = [one.wait("events.ended").data["reason"] for one in doomed]
    wait_for(lambda: all(one.ended.is_set() for one in doomed), "the connections end")

    assert reasons == ["UNAUTHENTICATED"] * 3
    assert not other.ended.is_set()
    assert measured(instance, 'readers_ended_total{reason="UNAUTHENTICATED"}') == 3


def test_there_are_places_for_so_many_and_they_are_free_again(instance: Instance, follow: Callable[..., Follower]) -> None:
    """One person: 429. All: 503. Both say when to come back; a place is free when its stream has ended."""
    token = a_token(instance, role="viewer")["token"]
    mine = wait_for(lambda: _fill(follow, token, 8), "places of the tests before are free")
    refused = follow(token=token)
    mine[0].answer.close()
    again = wait_for(lambda: (one := follow(token=token)).answer.ok and one, "the place is free again")

    assert (refused.answer.status_code, refused.answer.json()["code"]) == (429, "TOO_MANY_READERS")
    assert int(refused.answer.headers["Retry-After"]) > 0
    assert again
    assert measured(instance, 'readers_refused_total{code="TOO_MANY_READERS"}') >= 1
    assert measured(instance, "readers") >= 8
    assert measured(instance, "sent_events_total") >= measured(instance, "heard_events_total") > 0
    assert measured(instance, "listening") == 1


def _fill(follow: Callable[..., Follower], token: str, number: int) -> list[Follower] | None:
    followers = [follow(token=token) for _ in range(number)]
    if all(one.answer.ok for one in followers):
        return followers
    for one in followers:
        one.answer.close()
    return None


def test_the_client_goes_on_where_it_was_when_the_gateway_starts_anew(instance: Instance) -> None:
    """The ring is gone with the process: it is told that something may be missing, and what happens then. A stop is not delayed."""
    with Client(instance.url, instance.token) as client:
        found = client.events.follow(types=["package.published"])
        assert [event.type for event in client.events.stream(types=["peer.*"], live=False)] == []
        publish(instance, "Before.pkg")
        # What is known when it begins does not come: it follows from now on. So there is one more.
        first = _next_of(found, lambda: publish(instance, "First.pkg"))
        assert instance.stop("services.api_gateway", deadline_seconds=6) == {"services.api_gateway": 0}
        instance.start("services.api_gateway").wait_ready()
        publish(instance, "Second.pkg")
        lost, second = next(found), next(found)

    assert (first.type, lost.type, second.data["name"]) == ("package.published.v1", "events.lost", "Second.pkg")
    with Client(instance.url, "nonsense") as stranger, pytest.raises(CallFailed, match="UNAUTHENTICATED"):
        next(stranger.events.follow())


def _next_of(found: Iterator[Any], act: Callable[[], None]) -> Any:
    """The next event, which `act` makes happen once the stream is open."""
    threading.Timer(1.0, act).start()
    return next(found)


def _odst(instance: Instance, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli.main", "--url", instance.url, "--token", instance.token, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PAGE.parents[1])


def test_the_command_prints_a_line_each_and_ends_cleanly(instance: Instance) -> None:
    """At Ctrl-C, and when whoever reads what it prints goes first."""
    watching, piped = _odst(instance, "events", "--follow", "--type", "package.published"), _odst(instance, "events", "-f", "--json")
    assert watching.stdout is not None
    assert piped.stdout is not None
    lines = iter(lambda: watching.stdout.readline() if watching.stdout else "", "")
    with _publishing(instance):
        line = next(lines)
        assert piped.stdout.readline().startswith('{"id": ')
        piped.stdout.close()
        assert piped.wait(30) == 0
    watching.send_signal(signal.SIGINT)

    assert re.fullmatch(r"\S+ \S+  package\.published\.v1  package_id=\S+  name=Cli-\d+\.pkg  .*\n", line)
    assert (watching.wait(30), watching.communicate()[1], piped.communicate()[1] if piped.stderr else "") == (0, "", "")


def test_the_command_goes_on_when_the_gateway_starts_anew(instance: Instance) -> None:
    """It says in its place that something may be missing, shows nothing that was not asked for, and Ctrl-C is a good end of it."""
    before = measured(instance, "readers")
    wishes = ("--json", "--type", "package.published", "--name", "Kept.pkg", "--name", "Later.pkg")
    watching = _odst(instance, "events", "--follow", *wishes)
    assert watching.stdout is not None
    wait_for(lambda: measured(instance, "readers") > before, "it follows")
    publish(instance, "Ignored.pkg")
    publish(instance, "Kept.pkg")
    lines = [json.loads(watching.stdout.readline())]
    instance.stop("services.api_gateway")
    instance.start("services.api_gateway").wait_ready()
    wait_for(lambda: measured(instance, "readers") > 0, "it follows again")
    publish(instance, "Later.pkg")
    lines += [json.loads(watching.stdout.readline()) for _ in range(2)]
    watching.send_signal(signal.SIGINT)

    shown = [(one["type"], one["data"].get("name") or one["data"]["reason"]) for one in lines]
    published = "package.published.v1"
    assert shown == [(published, "Kept.pkg"), ("events.lost", "UNKNOWN_EVENT"), (published, "Later.pkg")]
    assert (watching.wait(30), watching.communicate()[1]) == (0, "")


def _publishing(instance: Instance) -> contextlib.AbstractContextManager[None]:
    """Packages are published again and again meanwhile."""
    return meanwhile(lambda number: publish(instance, f"Cli-{number}.pkg"), every_seconds=0.2)


def test_the_example_of_the_page_works(instance: Instance, uri: str, tmp_path: Path) -> None:
    """A program that subscribes at the broker as docs/amqp.md says gets what is published."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    program = tmp_path / "watcher.py"
    program.write_text(f"AMQP_URI = {uri!r}\n{code}", "utf-8")
    watcher = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    try:
        with _publishing(instance):
            line = watcher.stdout.readline() if watcher.stdout else ""
    finally:
        watcher.terminate()
        watcher.wait(10)

    assert re.fullmatch(r"[0-9a-f-]{36} package\.published\.v1 Cli-\d+\.pkg\n", line)
