"""Claims about what people do with a Jamf Pro channel: try it, register this instance, compare, mend."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.core.errors import Conflict, Forbidden, InvalidInput, Locked, NotFound
from shared.testing.certificates import Authority
from shared.testing.jamf_pro import EVERY_PRIVILEGE
from tests.integration.jamf_desk import JamfBench, jamf_bench

SHA512 = hashlib.sha512(b"content").hexdigest()


@pytest.fixture(params=[False, True], ids=["pro", "classic"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JamfBench]:
    """With a server of today, and with one that knows the Classic API only."""
    with jamf_bench(tmp_path, is_old=request.param) as made:
        yield made


def test_this_instance_becomes_a_distribution_point_once(bench: JamfBench) -> None:
    """HTTPS only, by its public address; the second time there is nothing to do."""
    channel = bench.channel(point_name="Berlin")
    shown = bench.desk.register(channel, None, None, dry_run=True)
    assert bench.jamf.points == []

    done = bench.desk.register(channel, None, None, dry_run=False)
    bench.jamf.kept["distribution-points"].sync()
    again = bench.desk.register(channel, None, None, dry_run=False)

    assert shown["writes"] == done["writes"]
    assert (shown["sent"], done["sent"], again) == (False, True, {"sent": False, "writes": []})
    (point,) = bench.jamf.points
    assert (point["name"], point["serverName"], str(point["httpsPort"])) == ("Berlin", "packages.example.org", "443")
    assert point["httpsContext"] == "CasperShare"


def test_a_distribution_point_of_today_has_all_that_makes_it_https_only(tmp_path: Path) -> None:
    """With a login, its password goes there and is in nothing that is shown."""
    with jamf_bench(tmp_path) as bench:
        login = {"security": "USERNAME_PASSWORD", "download_username": "mac", "download_password": "pa55-of-macs"}
        report = bench.desk.register(bench.channel(**login), None, None, dry_run=False)

        (point,) = bench.jamf.points
        assert (point["fileSharingConnectionType"], point["httpsEnabled"], point["httpsSecurityType"]) == (
            "NONE",
            True,
            "USERNAME_PASSWORD",
        )
        assert (point["httpsPassword"], point["principal"], point["backupDistributionPointId"]) == ("pa55-of-macs", False, "-1")
        assert "pa55-of-macs" not in repr(report)


def test_a_file_share_of_that_name_is_left_as_it_is(tmp_path: Path) -> None:
    """It is somebody's, and Macs use it."""
    with jamf_bench(tmp_path) as bench:
        before = dict(bench.jamf.seed("distribution-points", name="Berlin", fileSharingConnectionType="SMB", httpsEnabled=False))

        with pytest.raises(Conflict, match="another point_name"):
            bench.desk.register(bench.channel(), None, None, dry_run=False)

        assert bench.jamf.points == [before]


def test_macs_need_https(tmp_path: Path) -> None:
    """A point that no Mac could use is not registered."""
    with jamf_bench(tmp_path) as bench, pytest.raises(InvalidInput, match="ODST_PUBLIC_URL"):
        bench.desk.register(bench.channel(public_url="http://10.0.0.1:8080"), None, None, dry_run=False)


def test_drift_finds_every_difference_and_changes_nothing(bench: JamfBench) -> None:
    """Of a hundred records over several pages: those that are right are not told."""
    for number in range(60):
        bench.files.put(f"Good-{number}.pkg")
        bench.jamf.seed(packageName=f"G{number}", fileName=f"Good-{number}.pkg", hashType="SHA_512", hashValue=SHA512)
    for name in ("Alone.pkg", "Wrong.pkg", "Bare.pkg", "Case.pkg"):
        bench.files.put(name)
    bench.jamf.seed(packageName="Gone", fileName="Gone.pkg", hashType="SHA_512", hashValue=SHA512)
    bench.jamf.seed(packageName="Wrong", fileName="Wrong.pkg", hashType="MD5", hashValue="0" * 32)
    bench.jamf.seed(packageName="Bare", fileName="Bare.pkg")
    bench.jamf.seed(packageName="Case", fileName="case.PKG", hashType="SHA_512", hashValue=SHA512)

    found = {(one["difference"], one["file_name"]) for one in bench.drift(bench.channel())}

    expected = {
        ("file_missing", "Gone.pkg"),
        ("hash_wrong", "Wrong.pkg"),
        ("hash_missing", "Bare.pkg"),
        ("file_name_wrong", "case.PKG"),
        ("record_missing", "Alone.pkg"),
    }
    assert expected <= found
    assert found - expected <= {("record_missing", "Case.pkg")}
    assert bench.jamf.writes() == []


def test_drift_says_when_digests_are_not_known_yet(bench: JamfBench) -> None:
    """It does not call a record wrong that may be right."""
    bench.files.put("App.pkg")
    bench.files.computing = True
    bench.jamf.seed(packageName="App", fileName="App.pkg", hashType="SHA_512", hashValue=SHA512)

    assert [one["difference"] for one in bench.drift(bench.channel())] == ["hash_unknown"]


def test_a_repair_is_of_one_package_and_only_when_asked_for(bench: JamfBench) -> None:
    """With a dry run first; what cannot be downloaded gets no record."""
    bench.files.put("App.pkg")
    bench.jamf.seed(packageName="App", fileName="App.pkg", hashType="MD5", hashValue="0" * 32)
    channel = bench.channel()

    shown = bench.desk.record(channel, "App.pkg", None, None, dry_run=True)
    assert bench.jamf.writes() == []
    done = bench.desk.record(channel, "App.pkg", None, None, dry_run=False)

    assert [change["after"] for change in shown["writes"][0]["changes"]] == ["SHA_512", SHA512]
    assert (shown["sent"], done["sent"], bench.jamf.packages[0]["hashValue"]) == (False, True, SHA512)
    with pytest.raises(NotFound, match="bytes first"):
        bench.desk.record(channel, "Absent.pkg", None, None, dry_run=False)
    bench.files.computing = True
    with pytest.raises(Locked):
        bench.desk.record(channel, "App.pkg", None, None, dry_run=False)


def test_who_is_narrowed_writes_records_of_packages_within_only(bench: JamfBench) -> None:
    """And only by channels in their own name."""
    bench.files.put("Test.pkg")
    bench.files.put("Production.pkg")
    bench.files.tags = {"Test.pkg": frozenset({"test"}), "Production.pkg": frozenset({"production"})}
    settings = {"url": bench.jamf.url, "client_id": "client-1", "client_secret": "s3cret-of-the-client"}
    wish = {"kind": "jamf_pro", "settings": settings}
    own = bench.subscribing.subscribe(None, ["package.*"], "ada", wish, None, "", "id-of-ada", ["test"])["subscription_id"]

    assert bench.desk.record(own, "Test.pkg", "id-of-ada", ["test"], dry_run=False)["sent"]
    with pytest.raises(Forbidden, match="outside"):
        bench.desk.record(own, "Production.pkg", "id-of-ada", ["test"], dry_run=False)
    with pytest.raises(Forbidden, match="own name"):
        bench.desk.compare(bench.channel(), None, "id-of-ada", ["test"])


def test_a_connection_that_is_good_passes_every_step(bench: JamfBench) -> None:
    """Nothing is written by it."""
    found = bench.desk.examine(bench.channel(), None, None)["items"]

    steps = ["address", "connection", "token", "version", "read packages", "read distribution points", "privileges"]
    assert [(one["step"], one["ok"]) for one in found] == [(step, True) for step in steps]
    assert bench.jamf.writes() == []


def test_each_step_that_fails_says_what_to_do(bench: JamfBench) -> None:
    """A wrong secret, privileges that are missing, a server that does not tell them."""

    def last(**settings: str) -> dict[str, object]:
        return dict(bench.desk.examine(bench.channel(**settings), None, None)["items"][-1])

    assert last(client_secret="wrong") == {"step": "token", "ok": False, "detail": last(client_secret="wrong")["detail"]}
    bench.jamf.privileges = EVERY_PRIVILEGE - {"Update Packages"}
    assert "missing: Update Packages" in str(last()["detail"])
    bench.jamf.says_privileges = False
    assert (last()["ok"], "Create Distribution Points" in str(last()["detail"])) == (True, True)


def test_a_certificate_of_an_unknown_authority_is_said(tmp_path: Path) -> None:
    """No secret is sent to it."""
    with jamf_bench(tmp_path) as bench:
        other = tmp_path / "other"
        other.mkdir()
        stranger = JamfBench(other, bench.jamf, Authority(other, "Another Authority"))
        found = stranger.desk.examine(stranger.channel(), None, None)["items"]
        stranger.database.close()

        assert [(one["step"], one["ok"]) for one in found] == [("address", True), ("connection", False)]
        assert "ODST_WEBHOOK_CA_FILE" in found[-1]["detail"]
        assert bench.jamf.asked == []
