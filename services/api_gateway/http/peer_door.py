"""What all calls between instances have in common: who asks is checked, answers are signed, refusals tell nothing."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from flask import Response, g, request

from services.api_gateway.http.bodies import read_small
from services.api_gateway.http.former_keys import FormerKeys
from services.api_gateway.http.problems import problem
from services.api_gateway.ports import Services
from shared.contracts.admin.base import Body
from shared.core.errors import InvalidInput, OdstError, Unauthenticated
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey
from shared.runtime.logging import get_logger

log = get_logger(__name__)


class PeerBody(Body, extra="ignore"):
    """Base of the bodies that peers send: fields of later versions are ignored, types are not."""


class PeerDoor:
    """Checks requests and signs answers."""

    def __init__(self, services: Services, key: InstanceKey) -> None:
        """`services` reaches replication, which owns the peers. `key` is looked at for each request: it may be rotated meanwhile."""
        self._services, self._key = services, key
        self._former = FormerKeys(services, key)

    def peers_only(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: only an active peer may pass, once with each request.

        `g.peer_id` is which, and `g.view` what its registration lets it see.
        """

        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                body = read_small()
                peer = self._services.call("replication", "authenticate", request=self.seen())
                http_signatures.check_body(dict(request.headers), body)
            except (Unauthenticated, InvalidInput) as error:
                return self.refuse(error)
            g.peer_id, g.view = peer["peer_id"], peer["view"]
            return view(*args, **kwargs)

        return guarded

    def refuse(self, error: OdstError) -> Response:
        """A constant 401: the reason is in the log. Only what an honest peer needs to mend it is told: a wrong clock, or our new key."""
        rotation = self._former.rotation_of(request.headers.get(http_signatures.RECIPIENT_HEADER, ""))
        if rotation is not None:
            detail = "this instance has another key now; `rotation` proves which"
            return problem(409, "KEY_ROTATED", detail, {"Connection": "close"}, rotation=rotation)
        log.warning("peer_refused", code=error.code, reason=str(error), remote=request.remote_addr)
        if error.code == http_signatures.ClockSkew.default_code:
            detail = "the clocks of the two instances differ by more than a minute; see Date"
            return problem(401, "CLOCK_SKEW", detail, {"Connection": "close"})
        return problem(401, "UNAUTHENTICATED", "the request is not acceptable", {"Connection": "close"})

    def seen(self) -> dict[str, Any]:
        """What a signature is about: the raw target as it came, and only headers that can be signed."""
        target = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path
        wanted = {"signature", "signature-input", "content-digest", http_signatures.RECIPIENT_HEADER.lower()}
        headers = {name: value for name, value in request.headers.items() if name.lower() in wanted}
        return {"method": request.method, "target": target, "headers": headers}

    def signed(self, document: dict[str, Any]) -> Response:
        """A JSON answer, signed for this very request."""
        body = json.dumps(document).encode()
        seen = self.seen()
        answer = http_signatures.Response(200, {}, http_signatures.Request(seen["method"], seen["target"], seen["headers"]))
        http_signatures.sign_response(answer, self._key, body)
        return Response(body, 200, answer.headers, mimetype="application/json")
