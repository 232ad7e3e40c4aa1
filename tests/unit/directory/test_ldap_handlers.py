"""Claims about asking for a test of the connection to the accounts outside."""

from __future__ import annotations

import pytest

from services.directory.handlers.outside import AccountsOutside
from shared.core.errors import Conflict
from shared.testing.fakes.accounts import FakeAccounts, somebody


def test_what_was_found_is_answered_as_it_is() -> None:
    """Also that a person was not found."""
    outside = AccountsOutside([FakeAccounts([somebody("ada", "secret")])])

    assert outside.examine_ldap()["items"] == [{"step": "connect", "ok": True, "detail": "well"}]
    assert [item["ok"] for item in outside.examine_ldap("bert")["items"]] == [True, False]


def test_without_a_source_there_is_nothing_to_test() -> None:
    """The refusal names the settings that make one."""
    with pytest.raises(Conflict, match="ODST_LDAP_SERVERS") as caught:
        AccountsOutside([]).examine_ldap()

    assert caught.value.code == "LDAP_NOT_CONFIGURED"
