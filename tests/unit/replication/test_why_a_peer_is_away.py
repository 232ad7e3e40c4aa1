"""What administrators read of a peer that cannot be reached."""

from __future__ import annotations

import pytest
import requests

from services.replication.adapters.http_link import why


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/ods/v1/changes", "https://127.0.0.1:1/"])
def test_a_peer_that_is_away_is_told_in_few_words(url: str) -> None:
    """Pools, retries and the address that stands there already say nothing to anybody."""
    with pytest.raises(requests.RequestException) as failed:
        requests.get(url, timeout=5)

    told = why(failed.value)

    assert "refused" in told.lower()
    assert [word for word in ("HTTP", "Pool", "Max retries", "127.0.0.1") if word in told] == []


def test_what_says_nothing_is_told_by_its_name() -> None:
    """Better than nothing at all."""
    assert why(TimeoutError()) == "TimeoutError"
