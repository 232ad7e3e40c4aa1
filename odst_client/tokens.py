"""API tokens."""

from __future__ import annotations

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.instance import NewToken, Role, Token, TokenList, TokenWish


class Tokens(Group):
    """`client.tokens`."""

    @operation("POST", "/api/v1/tokens", creates=True)
    def create(self, name: str, role: Role, valid_seconds: int | None = None) -> NewToken:
        """Make a token for what is called `name`; for ever, unless `valid_seconds` are given.

        Returns:
            The token with its text, which is shown only now.
        """
        return self._read(self.create, NewToken, wish(TokenWish, name=name, role=role, valid_seconds=valid_seconds))

    @operation("GET", "/api/v1/tokens")
    def all(self) -> list[Token]:
        """List the tokens, newest first, without their text."""
        return self._read(self.all, TokenList).items

    @operation("DELETE", "/api/v1/tokens/{token_id}")
    def revoke(self, token_id: str) -> None:
        """Revoke a token for good."""
        self._do(self.revoke, token_id=token_id)
