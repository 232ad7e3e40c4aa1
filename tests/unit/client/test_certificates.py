"""Claims about TLS: whose certificate is believed, and what is said when it is not."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from odst_client import CallFailed, Client
from odst_client.transport import Patience
from shared.testing.certificates import Authority, Issued

ONCE = Patience(tries=1)


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = b'{"status": "ready", "faults": {}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class _Server(HTTPServer):
    def handle_error(self, *_arguments: object) -> None:
        """A client that went away is what is tested."""


@contextmanager
def _served(issued: Issued | None) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), _Ready)
    if issued:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Not one of those that everybody believes."""
    return Authority(tmp_path)


def _failure(url: str, ca_file: Path | None = None) -> CallFailed:
    with pytest.raises(CallFailed) as failed:
        Client(url, patience=ONCE, ca_file=ca_file).instance.readiness()
    return failed.value


def test_an_authority_of_ones_own_is_believed_if_it_is_named(authority: Authority) -> None:
    """By the client, and by the command; without it, the refusal says what to do."""
    with _served(authority.issue("127.0.0.1")) as port:
        url = f"https://127.0.0.1:{port}"

        assert Client(url, patience=ONCE, ca_file=authority.file).instance.readiness().status == "ready"
        named = CliRunner(env={"ODST_CA_FILE": str(authority.file)}).invoke(main, ["--url", url, "ready"])
        unnamed = CliRunner().invoke(main, ["--url", url, "ready"])

    assert named.exit_code == 0
    assert (unnamed.exit_code, "TLS_FAILED" in unnamed.stderr, "--ca-file" in unnamed.stderr) == (1, True, True)


def test_a_certificate_that_is_not_right_says_why(authority: Authority) -> None:
    """In the words of OpenSSL; nothing is called unreachable that answers."""
    with _served(authority.issue("127.0.0.1", expired=True)) as port:
        failed = _failure(f"https://127.0.0.1:{port}", authority.file)

    assert failed.code == "TLS_FAILED"
    assert "expired" in failed.detail


def test_plain_http_where_tls_is_expected_is_recognised() -> None:
    """A wrong scheme is the commonest error in an address."""
    with _served(None) as port:
        failed = _failure(f"https://127.0.0.1:{port}")

    assert failed.code == "TLS_FAILED"
    assert "http://" in failed.detail


def test_a_file_without_certificates_is_named(authority: Authority, tmp_path: Path) -> None:
    """It is not the instance that is wrong."""
    missing = tmp_path / "none.pem"
    with _served(authority.issue("127.0.0.1")) as port:
        failed = _failure(f"https://127.0.0.1:{port}", missing)

    assert failed.code == "CA_FILE_UNUSABLE"
    assert str(missing) in failed.detail
