"""Promise D4: whatever a package is called, it stays in the store, in one header line, and is shown as it was given."""

from __future__ import annotations

import contextlib
import hashlib
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import requests

from shared.core.errors import InvalidInput
from shared.core.names import PackageName
from shared.runtime.broker import PrivateBroker
from shared.testing import raw_http
from shared.testing.instance import Instance
from shared.testing.peer import TestPeer
from shared.testing.waiting import wait_for

pytestmark = pytest.mark.promise("D4")

DATA = b"a package with a name"
UPLOAD = "/api/v1/packages/"


@pytest.fixture(scope="module")
def instance(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance, alone in its folder."""
    made = Instance("N", tmp_path_factory.mktemp("d4") / "N", broker.uri(next(vhost_names)))
    with contextlib.closing(made):
        yield made.start().wait_ready()


@pytest.fixture(autouse=True)
def _inside_the_store(instance: Instance) -> Iterator[None]:
    """Nothing is written but below the folders that are for bytes, and nothing unexpected happened in the gateway."""
    yield
    wait_for(lambda: not list((instance.data / "incoming").iterdir()), "nothing is left in the incoming area")
    assert {path.name for path in instance.folder.iterdir() if path.suffix != ".log"} == {"data"}
    known = {"audit", "blobs", "databases", "feed-told.json", "incoming", "public", "quarantine", "records", "secrets"}
    assert {path.name for path in instance.data.iterdir()} - known == set()
    assert all(path.is_file() for path in (instance.data / "public").iterdir())
    assert not instance.log_events("services.api_gateway", "request_failed")


def put(instance: Instance, target: str | bytes) -> raw_http.RawAnswer:
    """PUT to a target that nobody tidies up."""
    head = raw_http.head("PUT", target, f"Authorization: Bearer {instance.token}", f"Content-Length: {len(DATA)}")
    return raw_http.exchange(instance.port, head + DATA)


def post(instance: Instance, disposition: bytes) -> requests.Response:
    """A form whose file has this `Content-Disposition`."""
    body = b"--XX\r\nContent-Disposition: form-data; name=file; " + disposition + b"\r\n\r\n" + DATA + b"\r\n--XX--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=XX"}
    return instance.api("POST", "/packages", data=body, headers=headers, expect=None)


HOSTILE = {
    "up and out": "../../etc/passwd",
    "up and out, encoded": "..%2f..%2fetc%2fpasswd",
    "dots encoded": "%2e%2e",
    "dots encoded, in a path": "%2e%2e/%2e%2e/etc/passwd",
    "dots encoded twice": "%252e%252e%252fetc",
    "dots overlong": "%c0%ae%c0%ae%c0%afetc",
    "dot": ".",
    "two dots": "..",
    "hidden": ".profile",
    "absolute": "/etc/passwd",
    "absolute, encoded": "%2fetc%2fpasswd",
    "folder": "a/b.pkg",
    "backslashes": "..\\..\\x.pkg",
    "drive": "C:%5cx.pkg",
    "stream": "x.pkg:hidden",
    "NUL": "x%00.pkg",
    "NUL at the end": "x.pkg%00",
    "CR LF": "x.pkg%0d%0aSet-Cookie:%20a=b",
    "tab": "x%09.pkg",
    "escape": "%1b[2Jx.pkg",
    "delete": "x%7f.pkg",
    "C1 control": quote("x\x85.pkg"),
    "300 bytes": "a" * 296 + ".pkg",
    "300 bytes of emoji": quote("🍏" * 75),
    "right-to-left override": quote("x\u202egkp.exe"),
    "isolate": quote("x\u2066.pkg"),
    "zero-width space": quote("x\u200b.pkg"),
    "byte-order mark": quote("\ufeffx.pkg"),
    "line separator": quote("x\u2028.pkg"),
    "soft hyphen": quote("x\u00ad.pkg"),
    "private use": quote("x\ue000.pkg"),
    "noncharacter": quote("x\uffff.pkg"),
    "no UTF-8": "x%ff%fe.pkg",
    "surrogate": "x%ed%a0%80.pkg",
    "half a character": "x%f0%9f.pkg",
    "replacement character": quote("x\ufffd.pkg"),
    "device": "CON",
    "device in lower case": "con",
    "device with an ending": "nul.pkg",
    "device with a number": "COM1.pkg",
    "device with a superscript": quote("COM¹.pkg"),
    "device with a space": "CON%20.pkg",
    "star": "*.pkg",
    "question mark": "a%3fb.pkg",
    "quote": "a%22b.pkg",
    "pipe": "a|b.pkg",
    "angle": "a%3cb%3e.pkg",
    "space first": "%20x.pkg",
    "space last": "x.pkg%20",
    "wide space last": quote("x.pkg\u3000"),
    "dot last": "x.pkg.",
    "empty": "",
    "spaces": "%20%20",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_name_is_refused(instance: Instance, case: str) -> None:
    """D4: as a path of the upload, the name is refused with NAME_INVALID, and nothing is kept."""
    answer = put(instance, UPLOAD + HOSTILE[case])

    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json"), answer.body
    assert json.loads(answer.body)["code"] == "NAME_INVALID"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_name_in_a_form_is_refused(instance: Instance, case: str) -> None:
    """D4: the same names as the file name of a form. What a form parser may cut off or decode is then a name of its own, and harmless."""
    raw = unquote(HOSTILE[case], encoding="latin-1").encode("latin-1")
    if b'"' in raw or b"\r" in raw or b"\\" in raw:
        raw = raw.replace(b'"', b"%22").replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b"\\", b"\\\\")  # as browsers write them

    response = post(instance, b'filename="' + raw + b'"')

    if response.status_code == 202:
        name = response.json()["name"]
        assert PackageName.parse(name).text == name
        assert not set(name) & set('/\\:*?"<>|\0\r\n')
        instance.uploaded(response.json())
        return
    assert response.status_code == 400
    assert response.json()["code"] in ("NAME_INVALID", "FORM_INVALID")


@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"\r", b" ", b"\x00", b"\xff", b"\xf0\x9f\x8d\x8f"])
def test_a_raw_byte_in_the_path_never_passes_the_server(instance: Instance, line: bytes) -> None:
    """D4: bytes that have no place in a request line are refused before they are a name."""
    answer = put(instance, UPLOAD.encode() + b"x" + line + b"y.pkg")

    assert answer.status == 400
    assert not list((instance.data / "public").glob("x*y.pkg"))


FAITHFUL = [
    "Firefox 128.0 (arm64).pkg",
    "🍏.pkg",
    "👩‍💻 tools.pkg",
    "🇨🇭.pkg",
    "\U0001fae9.pkg",
    "Ünïcödé «quotes».dmg",
    "日本語パッケージ.pkg",
    "حزمت.pkg",
    "क्\u200dष.pkg",
    "100%.pkg",
    "a+b&c=d;e@f#g$h!i~j^k`l{m}n'o,p.pkg",
    "-rf",
    "~root",
    "$(reboot).pkg",
    "'; DROP TABLE packages; --.pkg",
    "{{7+7}}.pkg",
    "CONSOLE.pkg",
    "COM10.pkg",
    "a" * 255,
    "é" * 127,
    "x",
]


@pytest.mark.parametrize("name", FAITHFUL)
def test_a_good_name_is_shown_faithfully(instance: Instance, name: str) -> None:
    """D4: letters of every script, emoji and punctuation are kept, listed, downloaded and told in headers exactly as given."""
    upload = instance.uploaded(json.loads(put(instance, UPLOAD + quote(name, safe="")).body))

    package = instance.api("GET", f"/packages/{upload['package_id']}").json()
    assert upload["name"] == package["name"] == name
    assert instance.api("GET", f"/packages/{quote(name, safe='')}").json()["package_id"] == upload["package_id"]
    assert name in [item["name"] for item in instance.api("GET", "/packages?limit=1000").json()["items"]]
    assert (instance.data / "public" / name).read_bytes() == DATA
    answer = requests.get(package["url"], timeout=10)
    assert answer.content == DATA
    _, _, encoded = answer.headers["Content-Disposition"].partition("filename*=UTF-8''")
    assert unquote(encoded) == name
    assert answer.headers["Content-Disposition"].isascii()


def test_composed_and_decomposed_are_one_name(instance: Instance) -> None:
    """D4: macOS and Linux write accents in two ways; both mean the same package."""
    composed, decomposed = (unicodedata.normalize(form, "Café.pkg") for form in ("NFC", "NFD"))
    first = instance.uploaded(instance.upload(quote(decomposed), DATA))
    second = instance.uploaded(instance.upload(quote(composed), DATA))

    assert composed != decomposed
    assert (second["state"], second["package_id"], first["name"]) == ("already_here", first["package_id"], composed)
    assert requests.get(f"{instance.url}/packages/{quote(decomposed)}", timeout=10).content == DATA


def test_names_that_differ_in_case_are_two_packages(instance: Instance) -> None:
    """D4: case twins live side by side, each with its own bytes."""
    for name, data in (("Twin.pkg", b"upper"), ("twin.pkg", b"lower")):
        instance.uploaded(instance.upload(name, data))

    assert requests.get(f"{instance.url}/packages/Twin.pkg", timeout=10).content == b"upper"
    assert requests.get(f"{instance.url}/packages/twin.pkg", timeout=10).content == b"lower"
    assert requests.get(f"{instance.url}/packages/TWIN.pkg", timeout=10).status_code == 404


def test_a_peer_cannot_name_a_file_either(instance: Instance) -> None:
    """D4: a manifest, rightly signed, with a hostile name is refused; the good one after it is taken."""
    names = ["../../etc/passwd", "/etc/passwd", "a/b", "x\0", "CON", "..", "", "x\r\ny", "a" * 300]
    for name in names:
        with pytest.raises(InvalidInput):
            PackageName.parse(name)
    with TestPeer("namer") as peer:
        peer.join(instance)
        for name in names:
            peer.publish("stand-in.pkg", DATA, name=PackageName(name))
        good = peer.publish("after them.pkg", b"good")
        peer.announce(instance).raise_for_status()
        instance.published("after them.pkg", hashlib.sha256(b"good").hexdigest())

    for package in peer.packages:
        status = instance.api("GET", f"/packages/{package.package_id}", expect=None).status_code
        assert status == (200 if package is good else 404)
    assert not list(Path(instance.data / "public").glob("stand-in*"))
