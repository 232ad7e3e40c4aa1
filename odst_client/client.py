"""One instance, and all that can be asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import requests

from odst_client.account import Account
from odst_client.audit import Audit
from odst_client.dead_letters import DeadLetters
from odst_client.events import Events
from odst_client.failures import CallFailed
from odst_client.instance import ThisInstance
from odst_client.jamf import Jamf
from odst_client.mesh import Mesh
from odst_client.operations import given
from odst_client.packages import Packages
from odst_client.peers import Peers
from odst_client.people import GroupGrants, People
from odst_client.promotions import Promotions
from odst_client.templates import Templates
from odst_client.tokens import Tokens
from odst_client.transfers import Transfers
from odst_client.transport import Patience, Transport
from odst_client.uploads import Uploads
from odst_client.webhooks import Webhooks

_PREFIX = "/api/v1/"
_REPEATED = frozenset({"GET", "PATCH", "DELETE"})


class Client:
    """Calls to one instance, in groups. Every method of them raises `CallFailed` if it did not do what was asked.

    ::

        packages      page, all, show, find, tag, delete, undelete, make_current, history, roll_back
        uploads       send, page, show, wait, download; in parts: begin, offset, send_part, give_up
        promotions    promote, page, latest, show, approve, reject
        peers         invite, join, all, show, change, revoke, pull
        transfers     page, all, show, pause, resume, cancel, change
        mesh          matrix_page, matrix_pages, plan, instances
        instance      readiness, status, alarms, settings, rotate_key, openapi
        dead_letters  oldest, replay, discard
        webhooks      subscribe, all, show, change, pause, resume, take_over, unsubscribe, rotate_secret, test, replay,
                      deliveries, deliveries_page, delivery, replay_delivery
        templates     show, change, reset, preview
        jamf          try_connection, register_point, record, drift, drift_page
        events        stream, follow, types, type
        people        all, show, roles, create, change, set_password, disable, enable, delete
        group_grants  all, create, revoke, try_directory, try_oidc
        account       ways, log_in, begin_oidc, finish_oidc, show, log_out, change_password, sessions, end
        tokens        create, all, revoke
        audit         page, all, export, verify, acknowledge_restore

    A client may be used by one thread at a time, and as a context manager that ends its connections.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        correlation_id: str | None = None,
        patience: Patience | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            url: address of the instance's gateway, such as `https://hamburg.example.org`.
            token: an API token; without it only downloads, `readiness` and `openapi` answer.
            correlation_id: finds these calls in the logs of all instances; without it, each call gets one of its own.
            patience: time limits, and how often is tried.
            ca_file: certificates in PEM of the authorities that are believed, instead of the public ones.
        """
        self._transport = Transport(url, token, correlation_id, patience or Patience(), ca_file)
        self.packages = Packages(self._transport)
        self.uploads = Uploads(self._transport)
        self.promotions = Promotions(self._transport)
        self.peers = Peers(self._transport)
        self.transfers = Transfers(self._transport)
        self.mesh = Mesh(self._transport)
        self.instance = ThisInstance(self._transport)
        self.dead_letters = DeadLetters(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.templates = Templates(self._transport)
        self.jamf = Jamf(self._transport)
        self.events = Events(self._transport)
        self.people = People(self._transport)
        self.group_grants = GroupGrants(self._transport)
        self.account = Account(self._transport)
        self.tokens = Tokens(self._transport)
        self.audit = Audit(self._transport)

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address of the instance."""
        return self._transport.url

    def close(self) -> None:
        """End all connections."""
        self._transport.close()

    # For operations that have no method here, of an instance that is newer than this client.

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `/api/v1/<path>`."""
        return self._json("GET", path, params=given(query))

    def post(self, path: str, document: dict[str, Any] | None = None) -> Any:
        """Send JSON; the answer's JSON. Values that are None are left out."""
        return self._json("POST", path, json=given(document or {}))

    def patch(self, path: str, document: dict[str, Any]) -> Any:
        """Change what is at `/api/v1/<path>`; the answer's JSON. Values that are None are left out, and stay as they are."""
        return self._json("PATCH", path, json=given(document))

    def delete(self, path: str) -> Any:
        """Remove what is at `/api/v1/<path>`; the answer's JSON, or None if there is none."""
        return self._json("DELETE", path)

    def exchange(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """A call to `/api/v1/<path>` that is sent once, and whose answer is in its header fields."""
        return self._transport.done(method, _PREFIX + path, repeats=False, **arguments)

    def items(self, path: str, limit: int | None = None) -> list[dict[str, Any]]:
        """The `items` of a list."""
        return list(self.get(path, limit=limit)["items"])

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """All pages of a list that has them."""
        after: str | None = None
        while True:
            page = self.get(path, after=after)
            yield page
            after = page.get("next")
            if not after:
                return

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._transport.done(method, _PREFIX + path, repeats=method in _REPEATED, **arguments)
        if answer.status_code == requests.codes.no_content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise CallFailed("ANSWER_MALFORMED", f"{self.url} did not answer as ODST does; is it an ODST gateway?") from error
