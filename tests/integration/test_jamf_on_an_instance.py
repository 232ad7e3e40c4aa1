"""A whole instance and a Jamf Pro server: from the upload to the record, over a kill of notify in between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from shared.testing.certificates import Authority
from shared.testing.instance import SEPARATE, Instance
from shared.testing.jamf_pro import CLIENT_ID, CLIENT_SECRET, FakeJamf, jamf_server
from shared.testing.waiting import wait_for

pytestmark = pytest.mark.promise("D5")
FIRST, SECOND = b"first" * 300_000, b"second" * 300_000
PUBLIC = "https://packages.example.org"


def odst(instance: Instance, *words: str, **more: Any) -> Result:
    """The command, as the first administrator."""
    return CliRunner().invoke(main, words, env={"ODST_URL": instance.url, "ODST_TOKEN": instance.token}, catch_exceptions=False, **more)


def records(jamf: FakeJamf) -> list[tuple[str, str]]:
    """File name and hash of each record."""
    return [(record["fileName"], record["hashValue"]) for record in jamf.packages]


def sha512(content: bytes) -> str:
    """What a policy must check by."""
    return hashlib.sha512(content).hexdigest()


def test_a_promotion_makes_one_record_although_notify_is_killed_over_it(make_instance: Callable[..., Instance], tmp_path: Path) -> None:
    """Nothing before it bears the stage; then the SHA-512 of hashlib; new bytes change that one record; this instance becomes a point."""
    authority = Authority(tmp_path)
    with jamf_server(authority.issue("127.0.0.1"), lost_answers=1) as jamf:
        settings = {"ODST_WEBHOOK_CA_FILE": str(authority.file), "ODST_WEBHOOK_POLL_SECONDS": "0.5"}
        instance = make_instance("A", programs=SEPARATE, settings=settings).start().wait_ready()
        words = ("--json", "jamf", "subscribe", jamf.url, "--client-id", CLIENT_ID, "--secret-file", "-", "--tag", "production")
        made = odst(instance, *words, "--setting", f"public_url={PUBLIC}", input=CLIENT_SECRET)
        channel = json.loads(made.output)["subscription_id"]
        assert CLIENT_SECRET not in made.output

        instance.uploaded(instance.upload("App.pkg", FIRST, **{"Ods-Tags": "test"}))
        instance.published("App.pkg")
        assert records(jamf) == []
        assert odst(instance, "package", "tag", "App.pkg", "production").exit_code == 0

        wait_for(lambda: jamf.packages, "the record is made, and the answer is lost", deadline_seconds=90)
        instance.kill("services.notify")
        for kept in jamf.kept.values():
            kept.sync()
        instance.start("services.notify").wait_ready()
        wait_for(lambda: "delivered" in odst(instance, "deliveries", "--limit", "50").output, "it is delivered", deadline_seconds=120)
        assert records(jamf) == [("App.pkg", sha512(FIRST))]

        instance.uploaded(instance.upload("App.pkg", SECOND, **{"Ods-Tags": "production"}))
        wait_for(lambda: records(jamf) == [("App.pkg", sha512(SECOND))], "the record follows the new bytes", deadline_seconds=90)

        assert odst(instance, "jamf", "test", channel).exit_code == 0
        assert odst(instance, "jamf", "drift", channel, "--check").exit_code == 0
        assert odst(instance, "jamf", "register-distribution-point", channel).exit_code == 0
        assert [(point["name"], point["serverName"]) for point in jamf.points] == [("A", "packages.example.org")]
        logs = "".join(path.read_text("utf-8", "replace") for path in instance.folder.glob("*.log"))
        assert CLIENT_SECRET not in logs
