"""People at a real instance: who come in by their password, as people do."""

from __future__ import annotations

import requests

from shared.testing.instance import Instance

PASSWORD = "quiet rivers carry stones"


def token_of(instance: Instance, name: str, role: str = "administrator") -> str:
    """The token of somebody new, who logged in for it and out again."""
    instance.api("POST", "/people", json={"name": name, "role": role, "password": PASSWORD}, expect=201)
    with requests.Session() as browser:
        entered = browser.post(f"{instance.url}/api/v1/session", json={"name": name, "password": PASSWORD}, timeout=60)
        assert entered.status_code == requests.codes.created, entered.text
        browser.headers["X-Ods-Csrf"] = entered.json()["csrf_token"]
        made = browser.post(f"{instance.url}/api/v1/tokens", json={"name": "tests"}, timeout=60)
        assert made.status_code == requests.codes.created, made.text
        assert browser.delete(f"{instance.url}/api/v1/session", timeout=60).status_code == requests.codes.no_content
    return str(made.json()["token"])
