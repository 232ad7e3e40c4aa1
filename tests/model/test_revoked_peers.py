"""Whom a steward revoked, in a mesh in memory: news of keys and of revocations cross each other on their way."""

from __future__ import annotations

import datetime as dt

import pytest

from shared.testing.mesh_model import Mesh

MINUTE = dt.timedelta(minutes=1)


@pytest.mark.parametrize("rotates", ["before", "after", "never"])
@pytest.mark.usefixtures("quiet")
def test_whom_a_steward_revoked_is_a_peer_of_nobody_who_lets_it_steward(rotates: str) -> None:
    """By whichever of its keys each of them knows it, and in whatever order news of key and revocation come; the rest goes on."""
    mesh = Mesh()
    head, mole, branch = (mesh.add(name) for name in "HMB")
    for joiner, inviter in ((mole, head), (branch, head), (mole, branch)):
        mesh.join(joiner, inviter, tags=frozenset(), steward=False)
    mesh.bring_to_rest()

    mesh.away = frozenset({branch})
    if rotates == "before":
        mole.rotate()
        head.pull(mole)
    mesh.time += MINUTE
    head.relations.revoke(str(head.registration(mole).peer_id), "anna")
    head.settle()
    if rotates == "after":
        mole.rotate()
    mesh.away = frozenset({head}) if rotates == "after" else frozenset({mole})
    branch.pull(mole if rotates == "after" else head)
    mesh.away = frozenset()
    mesh.bring_to_rest()

    assert [site.registration(mole).state.value for site in (head, branch)] == ["revoked", "revoked"]
    late = mole.upload("Late.pkg", b"late", ())
    known = head.upload("Known.pkg", b"known", ())
    mesh.bring_to_rest()
    assert [branch.catalogue.package(one) is not None for one in (late, known)] == [False, True]
