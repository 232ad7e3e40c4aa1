"""From what a provider says of somebody to who they are here. Every claim is a stranger's text."""

from __future__ import annotations

import re
from typing import Any

from services.directory.adapters.oidc_plan import OidcPlan
from services.directory.domain.accounts import OIDC, Recognised
from services.directory.domain.attempts import is_possible_name
from services.directory.domain.groups import OIDC_PREFIX
from shared.core.errors import Forbidden
from shared.runtime.logging import get_logger

log = get_logger(__name__)
MOST_GROUPS = 2000
_MOST_GROUP_CHARACTERS = 900
_MOST_NAME_CHARACTERS = 120
_SUBJECT = re.compile(r"[ -~]{1,255}")


def recognised(plan: OidcPlan, claims: dict[str, Any]) -> Recognised:
    """Who this is.

    Raises:
        Forbidden: OIDC_CLAIM_UNUSABLE, if that cannot be said.
    """
    subject, name = claims.get("sub"), claims.get(plan.name_claim)
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Forbidden("the provider says nothing by which this account could be known again (claim sub)", "OIDC_CLAIM_UNUSABLE")
    if not isinstance(name, str) or not is_possible_name(name) or len(name) > _MOST_NAME_CHARACTERS:
        raise Forbidden(
            f"the provider says no name that could be used here: an administrator looks at the claim {plan.name_claim}, "
            "or names another one in ODST_OIDC_NAME_CLAIM",
            "OIDC_CLAIM_UNUSABLE",
        )
    shown, email = (_text(claims.get(one)) for one in ("name", "email"))
    return Recognised(OIDC, name, shown or name, email, _groups(claims.get(plan.groups_claim), name), f"{plan.issuer}#{subject}")


def missing(plan: OidcPlan, claims: dict[str, Any]) -> bool:
    """True if the provider may have more to say at its userinfo endpoint."""
    return plan.name_claim not in claims or plan.groups_claim not in claims


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _groups(value: Any, name: str) -> frozenset[str]:
    listed = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    usable = [one for one in listed if isinstance(one, str) and 0 < len(one) <= _MOST_GROUP_CHARACTERS and one.isprintable()]
    if len(usable) > MOST_GROUPS or len(usable) < len(listed):
        log.warning("oidc_groups_cut", name=name, groups=len(listed), kept=min(len(usable), MOST_GROUPS))
    return frozenset(OIDC_PREFIX + one for one in usable[:MOST_GROUPS])
