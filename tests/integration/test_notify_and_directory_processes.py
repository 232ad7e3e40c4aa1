"""The two services as processes of their own, on a real broker: RPC, an event of the spine, a webhook, a clean stop."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from services.directory.domain.tokens import fingerprint
from shared.contracts.events import Envelope, PeerRevokedV1
from shared.core.errors import Conflict, Forbidden, InvalidInput, ServiceUnavailable, Unauthenticated
from shared.runtime.broker import PrivateBroker
from shared.runtime.bus.dispatcher import publish_event
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.bus.settings import BusSettings
from shared.testing.waiting import wait_for
from tests.integration.notify_receivers import receiver

NO_ALARMS = {"alarms_certificate_expiring": 0}
NOTHING_AUDITED = {"audit_entries": 0, "audit_checkpoint": 0, "audit_witnesses": 0, "audit_broken": 0}
REPOSITORY = Path(__file__).parents[2]
NO_WISH = {"rights": None, "person": None, "valid_seconds": None, "never_expires": False}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateBroker]:
    """A broker for this file."""
    with PrivateBroker(tmp_path_factory.mktemp("broker")) as started:
        yield started


@contextmanager
def running(service: str, folder: Path, uri: str) -> Iterator[RpcClient]:
    """The service as `python -m services.<name>`, answering; it must stop by itself on SIGTERM."""
    environment = {
        "PATH": os.environ["PATH"],
        "ODST_AMQP_URI": uri,
        "ODST_DATA": str(folder),
        "ODST_INSTANCE_NAME": "Berlin",
        "ODST_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "ODST_WEBHOOK_POLL_SECONDS": "0.5",
    }
    with (folder / f"{service}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", f"services.{service}"], cwd=REPOSITORY, env=environment, stderr=log, stdout=log)
    client = RpcClient(uri)
    try:
        wait_for(lambda: client.call(service, "figures"), f"{service} answers", tolerate=(ServiceUnavailable,))
        yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        client.close()
        process.kill()
        process.wait()


def traces(folder: Path, secret: str) -> list[str]:
    """Files of databases, logs and all else in which the secret stands, or the key in it, as it is or in hex."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    forms = (secret.encode(), secret.removeprefix("whsec_").encode(), key, key.hex().encode())
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any("sqlite3" in path.name for path in files)
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


def test_the_directory_process_opens_its_doors_to_the_first_administrator(broker: PrivateBroker, tmp_path: Path) -> None:
    """From the file of the first start to tokens, refusals and codes over RPC; no secret in the log."""
    with running("directory", tmp_path, broker.uri()) as client:
        told = json.loads((tmp_path / "secrets" / "first-admin.json").read_text())
        me = client.call("directory", "authorize", token_sha256=fingerprint(told["token"]), right="administer")
        made = client.call("directory", "create_token", name="autopkg", grants=[{"role": "uploader"}], maker=me, **NO_WISH)

        with pytest.raises(Forbidden) as refused:
            client.call("directory", "authorize", token_sha256=fingerprint(made["token"]), right="administer")
        assert refused.value.who == {"person": "admin", "token_id": made["token_id"]}
        with pytest.raises(Conflict) as conflict:
            client.call("directory", "revoke_token", token_id=me["token_id"], of=None)
        client.call("directory", "revoke_token", token_id=made["token_id"], of=me["person_id"])
        with pytest.raises(Unauthenticated):
            client.call("directory", "authorize", token_sha256=fingerprint(made["token"]), right="view")
        session = {"session_sha256": fingerprint("s"), "address": "127.0.0.1", "agent": ""}
        assert client.call("directory", "log_in", name="admin", password=told["password"], **session)["person"] == "admin"
        assert client.call("directory", "authorize_session", session_sha256=fingerprint("s"), right="administer")["person"] == "admin"
        with pytest.raises(Unauthenticated):
            client.call("directory", "log_in", name="admin", password="a guess", **session)
        assert [item["state"] for item in client.call("directory", "list_tokens", of=None)["items"]] == ["revoked", "active"]
        assert client.call("directory", "figures") == {"people": 1, "tokens": 2, "sessions": 1} | NOTHING_AUDITED | NO_ALARMS | {
            "alarms_token_expiring": 0
        }

    log = (tmp_path / "directory.log").read_text()
    assert conflict.value.code == "LAST_ADMINISTRATOR"
    assert "first_administrator_handed_over" in log
    assert not [secret for secret in (told["token"], told["password"], made["token"]) if secret in log]


def test_the_notify_process_turns_an_event_into_one_signed_webhook(broker: PrivateBroker, tmp_path: Path) -> None:
    """The same event twice on the bus is one delivery; the id is the event's."""
    envelope = Envelope.around(PeerRevokedV1(peer_id="PEER", name="Bonn"), "correlation-1")
    with receiver((500, {})) as hook, running("notify", tmp_path, broker.uri()) as client:
        made = client.call("notify", "subscribe", url=hook.url, events=["peer.*"], created_by="admin")
        with pytest.raises(InvalidInput) as inside:
            client.call("notify", "subscribe", url="http://169.254.169.254/", events=["*"], created_by="admin")
        publisher = BusSettings(broker.uri()).publisher("replication")
        publish_event(publisher, envelope)
        publish_event(publisher, envelope)
        publisher.close()

        def delivered() -> list[dict[str, Any]]:
            items: list[dict[str, Any]] = client.call("notify", "list_deliveries", limit=10)["items"]
            return [item for item in items if item["state"] == "delivered"]

        (shown,) = wait_for(delivered, "the webhook is delivered at the second try")
        figures = {"subscriptions": 1, "deliveries_waiting": 0, "deliveries_failed": 0} | NO_ALARMS
        figures |= {"alarms_dead_letter_waiting": 0, "alarms_secret_unreadable": 0}
        assert client.call("notify", "figures") == figures | {"secrets": 1, "secrets_outdated": 0, "secrets_unreadable": 0}
        answers = [client.call("notify", "list_subscriptions"), client.call("notify", "list_deliveries", limit=10)]
        assert made["secret"] not in json.dumps(answers)
        assert traces(tmp_path, made["secret"]) == []
        client.call("notify", "unsubscribe", subscription_id=made["subscription_id"])
        assert client.call("notify", "list_subscriptions") == {"items": []}

    assert inside.value.code == "WEBHOOK_TARGET_FORBIDDEN"
    assert (shown["attempts"], shown["last_status"], shown["event_id"]) == (2, 204, envelope.id)
    assert {headers["webhook-id"] for _, headers, _ in hook.requests} == {f"msg_{envelope.id}"}
    told = Webhook(made["secret"]).verify(hook.requests[-1][2], hook.requests[-1][1])
    assert (told["type"], told["instance"], told["data"]["name"]) == ("peer.revoked.v1", "Berlin", "Bonn")
