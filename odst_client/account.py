"""One's own account: log in, who am I, where am I logged in."""

from __future__ import annotations

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.people import LoginWays, LoginWish, Me, OidcEnd, OidcStart, OidcWish, OwnPasswordWish, Session, SessionList

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

    @operation("GET", "/api/v1/session/ways")
    def ways(self) -> LoginWays:
        """Say how one can log in here: by password, and perhaps at a provider of OpenID Connect."""
        return self._read(self.ways, LoginWays)

    @operation("POST", "/api/v1/session/oidc")
    def begin_oidc(self, redirect_uri: str) -> OidcStart:
        """Begin a log-in at the provider: the address to open in a browser, which then comes to `redirect_uri`, a loopback address.

        Raises:
            CallFailed: OIDC_NOT_CONFIGURED; OIDC_UNAVAILABLE; TOO_MANY_ATTEMPTS.
        """
        return self._read(self.begin_oidc, OidcStart, wish(OidcWish, redirect_uri=redirect_uri))

    @operation("POST", "/api/v1/session/oidc/callback")
    def finish_oidc(self, state: str, secret: str, code: str | None = None, iss: str | None = None, error: str | None = None) -> Me:
        """Open a session with what the browser came back with, and the secret of `begin_oidc`; as `log_in` does.

        Raises:
            CallFailed: OIDC_REFUSED; OIDC_NOT_BEGUN; ACCOUNT_NAME_TAKEN; NO_GRANT, and others.
        """
        me = self._read(self.finish_oidc, Me, wish(OidcEnd, state=state, secret=secret, code=code, iss=iss, error=error))
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
