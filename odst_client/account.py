"""One's own account: log in, who am I, where am I logged in."""

from __future__ import annotations

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.people import LoginWish, Me, OwnPasswordWish, Session, SessionList

_PROOF_HEADER = "X-Ods-Csrf"


class Account(Group):
    """`client.account`."""

    @operation("POST", "/api/v1/session")
    def log_in(self, name: str, password: str) -> Me:
        """Open a session, in which all further calls of this client are made; who it is.

        Raises:
            CallFailed: UNAUTHENTICATED; TOO_MANY_ATTEMPTS.
        """
        me = self._read(self.log_in, Me, wish(LoginWish, name=name, password=password))
        self._transport.always_send(_PROOF_HEADER, me.csrf_token)
        return me

    @operation("GET", "/api/v1/session")
    def show(self) -> Me:
        """Say who calls, and what they may do; also for a token."""
        return self._read(self.show, Me)

    @operation("DELETE", "/api/v1/session")
    def log_out(self) -> None:
        """End the session that this client is in."""
        self._do(self.log_out)
        self._transport.always_send(_PROOF_HEADER, None)

    @operation("POST", "/api/v1/session/password")
    def change_password(self, password: str, new_password: str) -> None:
        """Take another password, knowing the present one; all one's sessions end."""
        self._do(self.change_password, wish(OwnPasswordWish, password=password, new_password=new_password))

    @operation("GET", "/api/v1/sessions")
    def sessions(self) -> list[Session]:
        """List one's open sessions, newest first."""
        return self._read(self.sessions, SessionList).items

    @operation("DELETE", "/api/v1/sessions/{session_id}")
    def end(self, session_id: str) -> None:
        """End one of them."""
        self._do(self.end, session_id=session_id)
