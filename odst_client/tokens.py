"""API tokens."""

from __future__ import annotations

from collections.abc import Sequence

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.people import GrantWish, NewToken, RoleName, Token, TokenList, TokenWish


class Tokens(Group):
    """`client.tokens`."""

    @operation("POST", "/api/v1/tokens", creates=True)
    def create(
        self,
        name: str,
        role: RoleName | None = None,
        *,
        grants: Sequence[GrantWish] | None = None,
        rights: Sequence[str] | None = None,
        person: str | None = None,
        valid_seconds: int | None = None,
        never_expires: bool | None = None,
    ) -> NewToken:
        """Make a token for what is called `name`; it may do no more than oneself.

        Args:
            name: what uses it.
            role: short for one grant that is not narrowed.
            grants: what it may do; without these and a role, what its maker may.
            rights: leave only these of it.
            person: a service that it belongs to, instead of oneself.
            valid_seconds: how long it holds.
            never_expires: for administrators: until it is revoked.

        Returns:
            The token with its text, which is shown only now.
        """
        narrowed = {"grants": None if grants is None else list(grants), "rights": None if rights is None else list(rights)}
        body = wish(TokenWish, name=name, role=role, **narrowed, person=person, valid_seconds=valid_seconds, never_expires=never_expires)
        return self._read(self.create, NewToken, body)

    @operation("GET", "/api/v1/tokens")
    def all(self) -> list[Token]:
        """List the tokens, newest first, without their text."""
        return self._read(self.all, TokenList).items

    @operation("DELETE", "/api/v1/tokens/{token_id}")
    def revoke(self, token_id: str) -> None:
        """Revoke a token for good."""
        self._do(self.revoke, token_id=token_id)
