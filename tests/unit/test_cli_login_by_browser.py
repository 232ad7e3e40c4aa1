"""Claims about `odst login --browser`: what it waits for, and what it says when that does not come."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests

from cli.loopback import returned_in, waiting
from shared.core.errors import InvalidInput
from tests.unit.prepared_gateway import Gateway, a_prepared_gateway

WAYS = "GET /api/v1/session/ways"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that knows nothing yet."""
    with a_prepared_gateway() as prepared:
        yield prepared


def test_only_the_state_of_this_log_in_is_waited_for() -> None:
    """Whatever else asks at that port gets nothing, and ends nothing."""
    answers: list[int] = []
    with waiting() as listener:

        def browse() -> None:
            queries = ("", "?state=another&code=evil", "favicon.ico", "?state=mine&code=c%20d&iss=i&more=x")
            answers.extend(requests.get(listener.address + query, timeout=30).status_code for query in queries)

        browser = threading.Thread(target=browse)
        browser.start()
        came = listener.wait("https://id.example.org/authorize?state=mine", 30)
        browser.join()

    assert came == {"state": "mine", "code": "c d", "iss": "i"}
    assert answers == [404, 404, 404, 200]


def test_a_browser_that_does_not_come_back_is_not_waited_for_without_end() -> None:
    """The error says what else there is."""
    with waiting() as listener, pytest.raises(InvalidInput, match="--no-browser"):
        listener.wait("https://id.example.org/authorize?state=mine", 0)


@pytest.mark.parametrize("pasted", ["", "code", "http://127.0.0.1:1/", "http://[", "http://127.0.0.1:1/?code=x"])
def test_what_is_no_answer_of_a_provider_is_none(gateway: Gateway, pasted: str) -> None:
    """Nothing is sent, and the advice is to copy all of it."""
    gateway.answers = {
        WAYS: (200, {"password": True, "oidc": {"name": "Example ID"}}),
        "POST /api/v1/session/oidc": (201, {"url": "https://id.example.org/a?state=x", "secret": "s", "expires_seconds": 600}),
    }
    result = gateway.run("login", "--no-browser", input=f"{pasted or 'x'}\n")

    assert returned_in(pasted) == {}
    assert (result.exit_code, "copy all of it" in result.output) == (1, True)


def test_where_there_is_no_such_way_the_other_one_is_named(gateway: Gateway) -> None:
    """By name and password; and one of both has to be said."""
    gateway.answers = {WAYS: (200, {"password": True, "oidc": None})}

    assert "a name and a password" in gateway.run("login", "--browser").output
    for words in (("login",), ("login", "ada", "--browser")):
        assert "--browser" in gateway.run(*words).output
