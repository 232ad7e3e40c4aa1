"""Which right each door of the gateway asks for: the one table to which code and documentation are held."""

from __future__ import annotations

import re

RIGHTS: dict[str, str] = {
    # One's own account
    "GET /api/v1/session": "self",
    "DELETE /api/v1/session": "self",
    "POST /api/v1/session/password": "self",
    "GET /api/v1/sessions": "self",
    "DELETE /api/v1/sessions/<>": "self",
    "GET /api/v1/tokens": "self",
    "POST /api/v1/tokens": "self",
    "DELETE /api/v1/tokens/<>": "self",
    # Packages
    "GET /api/v1/packages": "view",
    "GET /api/v1/packages/<>": "view",
    "GET /api/v1/names/<>/history": "view",
    "GET /api/v1/uploads": "view",
    "GET /api/v1/uploads/<>": "view",
    "POST /api/v1/uploads": "upload",
    "PATCH /api/v1/uploads/<>": "upload",
    "DELETE /api/v1/uploads/<>": "upload",
    "POST /api/v1/uploads/<>": "upload",
    "PUT /api/v1/packages": "upload",
    "PUT /api/v1/packages/<>": "upload",
    "POST /api/v1/packages": "upload",
    "POST /api/v1/packages/<>/tags": "tag",
    "POST /api/v1/packages/<>/promote": "promote",
    "GET /api/v1/promotions": "view",
    "GET /api/v1/promotions/<>": "view",
    "POST /api/v1/promotions/<>/approve": "approve",
    "POST /api/v1/promotions/<>/reject": "approve",
    "POST /api/v1/packages/<>/raise": "raise",
    "POST /api/v1/names/<>/rollback": "raise",
    "DELETE /api/v1/packages/<>": "delete",
    "POST /api/v1/packages/<>/undelete": "delete",
    # The mesh
    "GET /api/v1/matrix": "view",
    "GET /api/v1/plan": "view",
    "GET /api/v1/alarms": "view",
    "GET /api/v1/instances": "view",
    "GET /api/v1/peers": "view",
    "GET /api/v1/peers/<>": "view",
    "GET /api/v1/transfers": "view",
    "GET /api/v1/transfers/<>": "view",
    "PATCH /api/v1/transfers/<>": "administer",
    "POST /api/v1/transfers/<>/pause": "administer",
    "POST /api/v1/transfers/<>/resume": "administer",
    "POST /api/v1/transfers/<>/cancel": "administer",
    "POST /api/v1/invitations": "administer",
    "POST /api/v1/peers": "administer",
    "PATCH /api/v1/peers/<>": "administer",
    "DELETE /api/v1/peers/<>": "administer",
    "POST /api/v1/peers/pull": "administer",
    "POST /api/v1/instance/rotate-key": "administer",
    # The instance
    "GET /api/v1/status": "view",
    "GET /api/v1/settings": "audit",
    "GET /api/v1/dead-letters": "view",
    "POST /api/v1/dead-letters/replay": "administer",
    "DELETE /api/v1/dead-letters/<>": "administer",
    "GET /api/v1/events": "view",
    "GET /api/v1/event-types": "view",
    "GET /api/v1/event-types/<>": "view",
    "GET /api/v1/templates/<>": "view",
    "PUT /api/v1/templates/<>": "administer",
    "DELETE /api/v1/templates/<>": "administer",
    "POST /api/v1/templates/<>/preview": "administer",
    "GET /api/v1/subscriptions": "view",
    "POST /api/v1/subscriptions": "subscribe",
    "GET /api/v1/subscriptions/<>": "view",
    "PATCH /api/v1/subscriptions/<>": "subscribe",
    "POST /api/v1/subscriptions/<>/pause": "subscribe",
    "POST /api/v1/subscriptions/<>/resume": "subscribe",
    "POST /api/v1/subscriptions/<>/owner": "subscribe",
    "POST /api/v1/subscriptions/<>/secret": "subscribe",
    "POST /api/v1/subscriptions/<>/test": "subscribe",
    "POST /api/v1/subscriptions/<>/replay": "subscribe",
    "POST /api/v1/deliveries/<>/replay": "subscribe",
    "DELETE /api/v1/subscriptions/<>": "subscribe",
    "POST /api/v1/subscriptions/<>/jamf/test": "subscribe",
    "POST /api/v1/subscriptions/<>/jamf/distribution-point": "subscribe",
    "POST /api/v1/subscriptions/<>/jamf/record": "subscribe",
    "GET /api/v1/subscriptions/<>/jamf/drift": "subscribe",
    "GET /api/v1/deliveries": "view",
    "GET /api/v1/deliveries/<>": "view",
    # People
    "GET /api/v1/audit": "audit",
    "GET /api/v1/audit/export": "audit",
    "POST /api/v1/audit/verify": "audit",
    "POST /api/v1/audit/acknowledge-restore": "administer",
    "GET /api/v1/roles": "view",
    "GET /api/v1/people": "audit",
    "GET /api/v1/people/<>": "audit",
    "GET /api/v1/group-grants": "audit",
    "POST /api/v1/people": "administer",
    "PATCH /api/v1/people/<>": "administer",
    "DELETE /api/v1/people/<>": "administer",
    "POST /api/v1/people/<>/password": "administer",
    "POST /api/v1/people/<>/disable": "administer",
    "POST /api/v1/people/<>/enable": "administer",
    "POST /api/v1/group-grants": "administer",
    "DELETE /api/v1/group-grants/<>": "administer",
    "POST /api/v1/directory/test": "administer",
    "POST /api/v1/directory/oidc/test": "administer",
}
"""Doors for people and programs, and the right that each asks for."""

OPEN = frozenset(
    {
        "POST /api/v1/session",  # takes a password
        "GET /api/v1/session/ways",
        "GET /api/v1/session/oidc",  # leads to the provider
        "POST /api/v1/session/oidc",
        "GET /api/v1/session/oidc/callback",  # takes what the provider says
        "POST /api/v1/session/oidc/callback",
        "GET /api/v1/docs",
        "GET /api/v1/docs/<>",
        "GET /api/v1/openapi.json",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",  # from some networks only
        "GET /packages/<>",
        "GET /CasperShare/Packages/<>",
        "GET /digests/sha256/<>",
    }
)
"""Doors that ask for no authentication. Those of peers, below `/ods/`, ask for a signature."""

_PARAMETER = re.compile(r"<[^<>]*>")


def door(method: str, path: str) -> str:
    """A door as the table names it."""
    return f"{method} {_PARAMETER.sub('<>', path.partition('?')[0])}"
