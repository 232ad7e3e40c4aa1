"""Header fields that every answer has, after OWASP ASVS 5.0, chapter 3.4: what a browser may do with it."""

from __future__ import annotations

from flask import Response, request

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_YEAR = "max-age=31536000; includeSubDomains"


def secure(response: Response, public_url: str) -> None:
    """Add them; a page with a policy of its own keeps that. HSTS only where the instance is reached by HTTPS."""
    response.headers.update(_EVERYWHERE)
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    if public_url.startswith("https:"):
        response.headers["Strict-Transport-Security"] = _YEAR
    if request.path.startswith(("/api/", "/ods/")):
        response.headers.setdefault("Cache-Control", "no-store")
