"""The accounts outside of the instance: testing the connection to who keeps them."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read
from services.api_gateway.http.describing import described
from services.api_gateway.ports import Services
from shared.contracts.admin.directory import DirectoryTest, Findings

_LONGEST_TEST_SECONDS = 60
"""More than the most servers with the longest time limit can take."""


def doors(services: Services, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("directory", __name__)

    @api.post("/directory/test")
    @guard.requires("administer")
    @described(body=DirectoryTest, answers={200: Findings})
    def test_directory() -> Response:
        """Try the connection to LDAP or Active Directory step by step, and say what was found and what to do.

        What failed is in the answer, with `ok: false`; the call itself succeeds.
        """
        name = read(DirectoryTest).name
        return jsonify(services.call("directory", "examine_ldap", name=name, _timeout_seconds=_LONGEST_TEST_SECONDS))

    @api.post("/directory/oidc/test")
    @guard.requires("administer")
    @described(answers={200: Findings})
    def test_oidc() -> Response:
        """Try the connection to the provider of OpenID Connect step by step, and say what was found and what to do.

        What failed is in the answer, with `ok: false`; the call itself succeeds.
        """
        return jsonify(services.call("directory", "examine_oidc", _timeout_seconds=_LONGEST_TEST_SECONDS))

    return api
