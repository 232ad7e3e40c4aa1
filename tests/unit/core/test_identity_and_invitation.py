"""Claims about instance ids and invitations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import InvalidInput
from shared.core.identity import InstanceId
from shared.core.invitation import Invitation, proof

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
KEYS = st.binary(min_size=32, max_size=32)


@given(KEYS)
def test_an_id_is_read_in_both_forms(key: bytes) -> None:
    """Plain and grouped, in any case, with spaces or dashes."""
    instance_id = InstanceId.of_key(key)
    grouped = instance_id.grouped()

    assert [len(group) for group in grouped.split("-")] == [7] * 8
    for text in (str(instance_id), grouped, grouped.lower(), grouped.replace("-", " "), f"  {grouped}\n"):
        assert InstanceId.parse(text) == instance_id


@given(KEYS, KEYS)
def test_an_id_proves_its_key(key: bytes, other: bytes) -> None:
    """It belongs to that key and to no other."""
    assert InstanceId.of_key(key).belongs_to(key)
    assert InstanceId.of_key(key).belongs_to(other) == (key == other)


def test_every_single_wrong_character_is_noticed() -> None:
    """Each of the 56 places, each of the 31 other characters: 1,736 typing errors, none accepted."""
    right = InstanceId.of_key(bytes(32)).grouped().replace("-", "")
    accepted = []
    for place, character in enumerate(right):
        for wrong in ALPHABET.replace(character, ""):
            try:
                accepted.append(InstanceId.parse(right[:place] + wrong + right[place + 1 :]))
            except InvalidInput as error:
                assert error.code == "INSTANCE_ID_INVALID"  # noqa: PT017 - the point is that none is left without an error

    assert accepted == []


@pytest.mark.parametrize("text", ["", "A" * 51, "A" * 53, "A" * 55, "1" * 52, "é" * 52, "A" * 1000])
def test_what_is_no_id_is_refused(text: str) -> None:
    """By length and alphabet."""
    with pytest.raises(InvalidInput):
        InstanceId.parse(text)


@pytest.mark.parametrize("url", ["http://10.0.0.1:8080", "https://odst.example/sites/a", "http://[2001:db8::1]:8080"])
def test_an_invitation_is_read_as_it_was_pasted(url: str) -> None:
    """With white space around it, as people paste."""
    invitation = Invitation.create(url, InstanceId.of_key(bytes(32)))

    assert Invitation.parse(f"  {invitation}\n") == invitation


@pytest.mark.parametrize("cut", [1, 10, 45])
def test_a_cut_invitation_is_refused(cut: int) -> None:
    """With a sentence that says what to copy."""
    text = str(Invitation.create("http://a.example", InstanceId.of_key(bytes(32))))

    for damaged in (text[:-cut], text[cut:]):
        with pytest.raises(InvalidInput) as caught:
            Invitation.parse(damaged)
        assert caught.value.code in ("INVITATION_INVALID", "INSTANCE_ID_INVALID")


def test_no_two_invitations_are_alike() -> None:
    """160 random bits each."""
    made = {Invitation.create("http://a.example", InstanceId.of_key(bytes(32))).secret for _ in range(100)}

    assert len(made) == 100


def test_what_is_kept_and_sent_does_not_tell_the_secret() -> None:
    """Lookup and proof key are different, and neither contains it."""
    invitation = Invitation.create("http://a.example", InstanceId.of_key(bytes(32)))

    assert invitation.secret not in invitation.lookup
    assert invitation.lookup not in invitation.proof_key.hex()


def test_a_proof_is_bound_to_all_that_it_is_about() -> None:
    """Key, sender, receiver, nonce and direction: change one and it is another; a mirrored one proves nothing."""
    a, b, c = (InstanceId.of_key(bytes([number]) * 32) for number in range(3))
    proofs = {
        proof(b"key", a, b, "nonce", joining=True),
        proof(b"key", a, b, "nonce", joining=False),
        proof(b"key", b, a, "nonce", joining=True),
        proof(b"key", a, c, "nonce", joining=True),
        proof(b"key", a, b, "other", joining=True),
        proof(b"else", a, b, "nonce", joining=True),
    }

    assert len(proofs) == 6
    assert proof(b"key", a, b, "nonce", joining=True) in proofs
