"""Claims about package records in Jamf Pro, over real HTTPS, against a server as strict as the documented one."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.notify.domain.deliveries import Delivery, DeliveryState
from shared.contracts.events import PackageRetaggedV1, PeerRevokedV1
from shared.core.errors import InvalidInput
from shared.testing.jamf_pro import PASSWORD, USERNAME
from tests.integration.jamf_desk import JamfBench, an_id, jamf_bench

SHA512 = hashlib.sha512(b"content").hexdigest()
OTHER = hashlib.sha512(b"other").hexdigest()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[JamfBench]:
    """With a server of today."""
    with jamf_bench(tmp_path) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["pro", "classic"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JamfBench]:
    """With a server of today, and with one that knows the Classic API only."""
    with jamf_bench(tmp_path, is_old=request.param) as made:
        yield made


def delivered(bench: JamfBench) -> Delivery:
    """Try what is due; the newest delivery."""
    bench.deliver_all()
    return bench.newest()[0]


def text_of(bench: JamfBench, delivery: Delivery) -> str:
    """What the last try had to say."""
    found = bench.deliveries.find(delivery.delivery_id)
    assert found
    return found[1][-1].answer


def test_a_new_package_gets_a_record_with_its_hash_and_all_that_is_required(either: JamfBench) -> None:
    """Name, file name, SHA-512 as hashlib has it."""
    either.channel()
    either.publish()

    assert delivered(either).state is DeliveryState.DELIVERED
    (record,) = either.jamf.packages
    assert (record["packageName"], record["fileName"]) == ("Firefox.pkg", "Firefox.pkg")
    assert (record["hashType"], record["hashValue"]) == ("SHA_512", SHA512)


def test_told_twice_there_is_one_record_and_one_write(either: JamfBench) -> None:
    """A delivery that comes again, or an event that changes nothing, writes nothing."""
    either.channel()
    either.publish()
    either.deliver_all()
    either.jamf.kept["packages"].sync()
    either.publish(event_id="e2")

    either.deliver_all()

    assert "nothing to do: the record is right" in {text_of(either, one) for one in either.newest()}
    assert (len(either.jamf.packages), len(either.jamf.writes())) == (1, 1)


def test_new_bytes_change_the_hash_and_no_field_that_is_not_ours(bench: JamfBench) -> None:
    """What an administrator wrote into the record is still there; what describes the old bytes is not."""
    kept: dict[str, Any] = {"categoryId": "7", "notes": "ask Ada", "osRequirements": "14.x", "priority": 3, "rebootRequired": True}
    before = bench.jamf.seed(packageName="Firefox", fileName="Firefox.pkg", hashType="MD5", hashValue="0" * 32, md5="0" * 32, **kept)
    bench.channel()
    bench.publish()

    assert delivered(bench).state is DeliveryState.DELIVERED
    (record,) = bench.jamf.packages
    changed = {name for name in record if record[name] != before[name]}
    assert changed == {"hashType", "hashValue", "md5"}
    assert record["md5"] == hashlib.md5(b"content", usedforsecurity=False).hexdigest()
    assert record["hashValue"] == SHA512


def test_a_classic_record_keeps_what_is_not_ours(tmp_path: Path) -> None:
    """There, what a request leaves out stays; a record of another name is found by its file."""
    with jamf_bench(tmp_path, is_old=True) as bench:
        bench.jamf.seed(packageName="Firefox & <friends>", fileName="Firefox.pkg", hashType="MD5", hashValue="0" * 32, notes="ask Ada")
        bench.channel()
        bench.publish()

        assert delivered(bench).state is DeliveryState.DELIVERED
        (record,) = bench.jamf.packages
        assert (record["packageName"], record["notes"], record["hashValue"]) == ("Firefox & <friends>", "ask Ada", SHA512)


def test_md5_if_the_channel_says_so(bench: JamfBench) -> None:
    """For those who have policies that check MD5."""
    bench.channel(hash="MD5")
    bench.publish()
    bench.deliver_all()

    (record,) = bench.jamf.packages
    assert (record["hashType"], record["hashValue"]) == ("MD5", hashlib.md5(b"content", usedforsecurity=False).hexdigest())


def test_a_record_of_another_file_is_never_taken_over(either: JamfBench) -> None:
    """The delivery ends with what to do, the channel stays well, and the record is as it was."""
    before = dict(either.jamf.seed(packageName="Firefox.pkg", fileName="Other.pkg"))
    subscription_id = either.channel()
    either.publish()

    last = delivered(either)

    assert last.state is DeliveryState.FAILED
    assert "JAMF_NAME_TAKEN" in str(last.last_error)
    assert "give that record another name" in str(last.last_error)
    assert either.jamf.packages == [before]
    assert either.subscribing.show(subscription_id)["state"] == "active"


def test_two_records_of_one_file_are_for_a_person_to_decide(bench: JamfBench) -> None:
    """Policies may use either: none is chosen."""
    bench.jamf.seed(packageName="One", fileName="Firefox.pkg")
    bench.jamf.seed(packageName="Two", fileName="Firefox.pkg")
    bench.channel()
    bench.publish()

    assert "(1, 2): delete all but one" in str(delivered(bench).last_error)
    assert bench.jamf.writes() == []


def test_a_digest_that_is_not_known_yet_is_no_failure(bench: JamfBench) -> None:
    """Hours of computing use up no try; then the record is made."""
    bench.channel()
    bench.publish()
    bench.files.computing = True
    for _ in range(30):
        bench.deliver_all()
        bench.clock.pass_seconds(6)
    waiting = bench.newest()[0]
    bench.files.computing = False

    assert (waiting.state, waiting.attempts, bench.jamf.asked) == (DeliveryState.WAITING, 0, [])
    assert delivered(bench).state is DeliveryState.DELIVERED


def test_what_was_not_known_for_a_day_is_a_failure(bench: JamfBench) -> None:
    """Nothing waits for ever in silence."""
    bench.channel()
    bench.publish()
    bench.files.computing = True
    bench.clock.now += dt.timedelta(days=1, seconds=1)

    assert delivered(bench).attempts == 1


def test_the_record_follows_what_clients_get_and_not_what_the_event_said(bench: JamfBench) -> None:
    """A package that is no longer current when its turn comes is left to the event of the one that is."""
    bench.channel()
    bench.publish()
    bench.tell("e0", PackageRetaggedV1(package_id=an_id("Old.pkg"), name="Firefox.pkg", tags=("test",), author="A", person="ada"))
    bench.tell("e3", PeerRevokedV1(peer_id="P", name="Bonn"))
    bench.files.contents.clear()

    bench.deliver_all()

    assert {text_of(bench, one)[:14] for one in bench.newest()} == {"nothing to do:"}
    assert bench.jamf.asked == []


def test_an_answer_that_is_lost_makes_no_second_record(bench: JamfBench) -> None:
    """The record was made and nobody heard of it; the next try, at a node that does not know it yet either, waits and then finds it."""
    bench.channel()
    bench.publish()
    bench.jamf.lost_answers = 1
    bench.deliver_all()
    for _ in range(3):
        bench.clock.pass_seconds(3600)
        bench.deliver_all()
        bench.jamf.kept["packages"].sync()

    assert bench.newest()[0].state is DeliveryState.DELIVERED
    assert [record["hashValue"] for record in bench.jamf.packages] == [SHA512]


def test_one_conversation_stays_at_one_node(bench: JamfBench) -> None:
    """The load balancer's cookie is brought back, so that what was written is known when it is read."""
    bench.channel()
    bench.publish()
    bench.deliver_all()

    assert len({one.node for one in bench.jamf.asked}) == 1
    assert len(bench.jamf.asked) > 3


def test_a_token_that_ends_in_mid_work_is_got_anew(either: JamfBench) -> None:
    """After every second call; nothing is lost or done twice."""
    either.jamf.token_calls = 2
    either.channel()
    for number in range(3):
        either.publish(f"App-{number}.pkg", event_id=f"e{number}")

    either.deliver_all()

    assert sorted(record["fileName"] for record in either.jamf.packages) == ["App-0.pkg", "App-1.pkg", "App-2.pkg"]
    assert {one.state for one in either.newest()} == {DeliveryState.DELIVERED}


def test_a_user_with_a_password_can_do_it_too(either: JamfBench) -> None:
    """By Basic authentication, for a token."""
    either.channel(username=USERNAME, password=PASSWORD)
    either.publish()

    assert delivered(either).state is DeliveryState.DELIVERED


@pytest.mark.parametrize(
    ("privileges", "word"),
    [({"Read Packages"}, "Create Packages"), ({"Create Packages"}, "Read Packages")],
)
def test_a_missing_privilege_is_named(bench: JamfBench, privileges: set[str], word: str) -> None:
    """Whoever reads the delivery knows what to give the role."""
    bench.jamf.privileges = frozenset(privileges)
    bench.channel()
    bench.publish()

    last = delivered(bench)

    assert (last.last_status, last.state) == (403, DeliveryState.WAITING)
    assert word in str(last.last_error)


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(bench: JamfBench) -> None:
    """503 with Retry-After."""
    bench.jamf.troubles.append((503, {"retry-after": "1200"}))
    bench.channel()
    bench.publish()
    bench.deliver_all()
    bench.clock.pass_seconds(1100)
    asked = len(bench.jamf.asked)
    bench.deliver_all()
    assert len(bench.jamf.asked) == asked
    bench.clock.pass_seconds(400)

    assert delivered(bench).state is DeliveryState.DELIVERED


def test_a_wrong_secret_is_said_without_the_secret(bench: JamfBench) -> None:
    """Neither the one that was given nor a token is in anything that people see."""
    bench.channel(client_secret="wrong-s3cret")
    bench.publish()

    last = delivered(bench)

    assert "give the right ones" in str(last.last_error)
    assert "wrong-s3cret" not in repr((last, bench.subscriptions.all(), bench.deliveries.find(last.delivery_id)))


def test_dry_run_shows_the_write_and_sends_none(either: JamfBench) -> None:
    """Method, URL and fields; reads and the token are all that is asked."""
    either.channel(dry_run=True)
    either.publish()

    last = delivered(either)

    assert last.state is DeliveryState.DELIVERED
    assert text_of(either, last).startswith(f"dry run, not sent: POST {either.jamf.url}/")
    assert either.jamf.writes() == []


def test_a_secret_is_not_carried_to_another_server(bench: JamfBench) -> None:
    """Whoever changes the address gives the secret anew, so that nobody can have it sent to a server of their own."""
    subscription_id = bench.channel()
    change = {"channel": {"settings": {"url": f"https://localhost:{bench.jamf.port}"}}}

    with pytest.raises(InvalidInput, match="the server is another one") as refused:
        bench.subscribing.change(subscription_id, change, None, None)

    assert refused.value.code == "CHANNEL_SECRET_NEEDED"
    bench.subscribing.change(subscription_id, {"channel": {"settings": {"priority": 5}}}, None, None)
    assert bench.subscribing.show(subscription_id)["channel"]["settings"]["priority"] == 5


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://jamf.example.org"},
        {"client_id": None},
        {"client_secret": None},
        {"username": "both"},
        {"hash": "SHA_1"},
        {"priority": 21},
        {"priority": True},
        {"category_id": "Browsers"},
        {"dry_run": "yes"},
        {"security": "USERNAME_PASSWORD"},
        {"download_username": "mac"},
        {"context": "a b"},
        {"colour": "green"},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(bench: JamfBench, settings: dict[str, Any]) -> None:
    """At the door, with the rule; nothing is kept."""
    with pytest.raises(InvalidInput):
        bench.channel(**settings)

    assert bench.subscriptions.all() == []
