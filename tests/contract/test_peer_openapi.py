"""Claims about the OpenAPI file of the peer protocol: it is one, and it has the calls that there are."""

from __future__ import annotations

from pathlib import Path

from tests.contract.peer_openapi import PeerOpenApi, openapi_path
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway


def test_the_file_is_openapi() -> None:
    """3.1, by the validator of the OpenAPI project."""
    PeerOpenApi().validate()


def test_the_file_has_the_calls_that_there_are(tmp_path: Path) -> None:
    """Both ways: nothing is missing, nothing is promised that is not there."""
    app = a_gateway(tmp_path, ToldServices()).client.application
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/ods/")]
    served = {(method, openapi_path(rule.rule)) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}

    assert PeerOpenApi().operations() == served


def test_every_call_tells_of_refusals() -> None:
    """And every call takes the headers of a signature."""
    needed = {"Recipient", "ContentDigest", "SignatureInput", "Signature"}
    document = PeerOpenApi().document
    for method, path in PeerOpenApi().operations():
        call = document["paths"][path][method.lower()]
        named = {parameter.get("$ref", "").rsplit("/", 1)[-1] for parameter in call["parameters"]}
        assert needed <= named, path
        assert {"401", "409", "413", "503", "504"} <= call["responses"].keys(), path
