"""Claims about the outbound guard (promise D5): no connection to the inside, however it is spelled."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from urllib3.util import parse_url

from services.notify.adapters.guarded_http import Guard, GuardedHttp
from services.notify.config import NotifySettings
from services.notify.domain.targets import check_address
from shared.core.errors import InvalidInput
from shared.runtime.outbound import Limits, trusted_authorities
from shared.runtime.settings import ConfigurationError

pytestmark = pytest.mark.promise("D5")
INSIDE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:168.63.129.16",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]
OUTSIDE = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]

SPELLINGS_OF_INSIDE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://127.0.0.1./",
    "http://localhost/",
    "http://LOCALHOST:8080/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0251.0376.0251.0376/",
    "http://025177524776/",
    "http://169.254.43518/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[fd00:ec2::254]/",
    "https://127.0.0.1:443/",
    "http://%31%32%37.0.0.1/",
    "http://\u2460\u2461\u2466.0.0.1/",
]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_refused(address: str) -> None:
    """Loopback, link-local, private, shared, multicast, unspecified, reserved, metadata; plain, mapped or tunnelled."""
    with pytest.raises(InvalidInput, match="no public address") as caught:
        check_address(address, ())

    assert caught.value.code == "WEBHOOK_TARGET_FORBIDDEN"


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_pass(address: str) -> None:
    """Also through the well-known NAT64 prefix, which networks without IPv4 use."""
    check_address(address, ())


@pytest.mark.parametrize("address", ["10.20.3.4", "::ffff:10.20.3.4", "64:ff9b::a14:304"])
def test_what_the_administrator_allows_passes_in_every_form(address: str) -> None:
    """And its neighbour does not."""
    allowed = [ip_network("10.20.0.0/16")]

    check_address(address, allowed)
    with pytest.raises(InvalidInput, match="no public address"):
        check_address("10.21.0.1", allowed)


def web(guard: Guard) -> GuardedHttp:
    """The way out behind a guard."""
    return GuardedHttp(guard, Limits(1, 2), trusted_authorities())


@pytest.mark.parametrize("url", SPELLINGS_OF_INSIDE)
def test_no_spelling_of_the_inside_gets_out(url: str) -> None:
    """The system's resolver reads it as it would when connecting; subscribing and posting both refuse."""
    with pytest.raises(InvalidInput):
        web(Guard()).check(url)
    answer = web(Guard()).post(url, b"{}", {})

    assert answer.status is None
    assert answer.error is not None
    assert answer.error.split(":")[0] in {"WEBHOOK_TARGET_FORBIDDEN", "WEBHOOK_TARGET_UNKNOWN", "WEBHOOK_URL_INVALID"}


@pytest.mark.parametrize("found", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700:4700::1111", "::1"]])
def test_one_private_address_among_public_ones_refuses_all(found: list[str]) -> None:
    """Otherwise the order of an answer, or a retry, would decide."""
    with pytest.raises(InvalidInput, match="no public address"):
        Guard(resolve=lambda _host, _port: found).addresses(parse_url("https://hooks.example/"))


@pytest.mark.parametrize("failure", [OSError("no such name"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve_is_told_apart(failure: Exception) -> None:
    """It may be a typing error: the code says so."""

    def fail(_host: str, _port: int) -> list[str]:
        raise failure

    with pytest.raises(InvalidInput) as caught:
        web(Guard(resolve=fail)).check("https://hooks.example/")

    assert caught.value.code == "WEBHOOK_TARGET_UNKNOWN"


def test_an_empty_answer_of_the_resolver_is_no_target() -> None:
    """Nothing to connect to."""
    with pytest.raises(InvalidInput):
        Guard(resolve=lambda _host, _port: []).addresses(parse_url("https://hooks.example/"))


def test_allowed_networks_are_read_from_the_configuration() -> None:
    """Separated by commas; host bits or words are faults at start."""
    base = {"ODST_AMQP_URI": "amqp://x@127.0.0.1/"}
    loaded = NotifySettings.load(base | {"ODST_WEBHOOK_ALLOWED_NETWORKS": "10.20.0.0/16, fd00::/8"})

    assert loaded.webhook_allowed_networks == (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
    assert NotifySettings.load(base).webhook_allowed_networks == ()
    with pytest.raises(ConfigurationError):
        NotifySettings.load(base | {"ODST_WEBHOOK_ALLOWED_NETWORKS": "inside"})
