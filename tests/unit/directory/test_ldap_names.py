"""Claims about what is typed, and about distinguished names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.directory.domain.attempts import REFUSAL, check_attempt
from services.directory.domain.distinguished_names import dn_key
from shared.core.errors import Unauthenticated


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=Ops,dc=example,dc=org", "CN=OPS, DC=Example , dc=ORG"),
        ("cn=Ops\\, West,dc=x", "cn=ops\\2C West,dc=X"),
        ("cn=a\\+b,dc=x", "cn=a\\2bb,dc=x"),
        ("cn=a+sn=b,dc=x", "SN=b + cn=A,dc=x"),
        ("cn=M\\C3\\BCller,dc=x", "cn=MÜLLER,dc=x"),
        ("cn=two  spaces,dc=x", "cn=two spaces,dc=x"),
        ("cn=back\\\\slash,dc=x", "cn=back\\5Cslash,dc=x"),
        ("packagers", "Packagers"),
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    """Case, spaces around separators, kinds of escapes and the order of a multi-valued part mean nothing."""
    assert dn_key(one) == dn_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a,dc=x", "cn=a\\,dc=x"),
        ("cn=a\\,b=c,dc=x", "cn=a,b=c,dc=x"),
        ("cn=a\\+sn=b,dc=x", "cn=a+sn=b,dc=x"),
        ("cn=a\\\\,dc=x", "cn=a\\,dc=x"),
        ("cn=a,dc=x", "dc=x,cn=a"),
        ("cn=a\\=b,dc=x", "cn\\=a=b,dc=x"),
    ],
)
def test_different_names_have_different_keys(one: str, other: str) -> None:
    """An escaped separator separates nothing."""
    assert dn_key(one) != dn_key(other)


@given(st.text())
def test_any_text_has_a_key(text: str) -> None:
    """Servers say what they like; and a key is a name with that key."""
    assert dn_key(dn_key(text)) == dn_key(text)


@given(st.text(max_size=300) | st.none() | st.integers(), st.text(max_size=1100) | st.none() | st.binary())
def test_an_attempt_is_possible_or_refused_in_one_sentence(name: object, password: object) -> None:
    """Nothing else comes out, whatever is typed."""
    refusals = {REFUSAL}
    try:
        check_attempt(name, password)
    except Unauthenticated as error:
        refusals.add(str(error))

    assert refusals == {REFUSAL}
