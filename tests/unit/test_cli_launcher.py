"""What the launcher writes for its supervisor, and refuses."""

from __future__ import annotations

import configparser
import socket
from pathlib import Path

import pytest

from cli.greeter import greeting
from cli.launcher import Listen, check_free, instance_environment, prepare, service_programs, supervisor_configuration
from cli.settings import NAMEKO_SERVICES
from shared.core.errors import Conflict, InvalidInput
from shared.runtime.broker import PrivateBroker
from shared.runtime.keys import InstanceKey

SECRET_URI = "amqp://user:very-secret@127.0.0.1/x"


def read(text: str) -> configparser.ConfigParser:
    """The configuration, as supervisord reads it."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=True)
    parser.read_string(text)
    return parser


@pytest.mark.parametrize("text", ["8080", "host:", ":80", "host:0", "host:65536", "host:x", ""])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    """`--listen` takes host:port and nothing else."""
    with pytest.raises(InvalidInput):
        Listen.parse(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [("127.0.0.1:8080", "http://127.0.0.1:8080"), ("0.0.0.0:80", "http://127.0.0.1:80"), ("[::]:80", "http://[::1]:80")],
)
def test_an_address_has_a_url_for_this_machine(text: str, url: str) -> None:
    """A wildcard is no address to call."""
    assert Listen.parse(text).url == url


def test_together_and_apart_run_the_same_services() -> None:
    """One process for all Nameko services, or one each; the gateway is always its own."""
    together = [program.command[-1] for program in service_programs(together=True)]
    apart = [program.command[-1] for program in service_programs(together=False)]

    assert together == ["services", "services.api_gateway"]
    assert apart == [*(f"services.{name}" for name in NAMEKO_SERVICES), "services.api_gateway"]


def test_the_broker_starts_first_and_ends_last(tmp_path: Path) -> None:
    """Groups are ordered by priority: broker, then those who use it."""
    broker = PrivateBroker(tmp_path / "broker")

    found = read(supervisor_configuration(tmp_path, broker, service_programs(together=True)))

    assert found.getint("group:broker", "priority") < found.getint("group:odst", "priority")
    assert found.get("group:broker", "programs") == "epmd,broker"
    assert found.get("group:odst", "programs") == "services,gateway"
    assert found.get("program:services", "autorestart") == "true"


def test_a_foreign_broker_is_not_supervised(tmp_path: Path) -> None:
    """With ODST_AMQP_URI there is no broker among the programs."""
    found = read(supervisor_configuration(tmp_path, None, service_programs(together=True)))

    assert "group:broker" not in found.sections()


def test_percent_signs_and_spaces_in_the_path_survive(tmp_path: Path) -> None:
    """What supervisord would expand is written twice; the data folder is taken as it is."""
    data = tmp_path / "100% data"

    found = read(supervisor_configuration(data, None, service_programs(together=True)))

    assert found.get("supervisord", "pidfile") == f"{tmp_path}/100%% data/run/supervisord.pid"


def test_a_path_that_supervisord_would_cut_is_refused(tmp_path: Path) -> None:
    """A semicolon after a space begins a comment there."""
    with pytest.raises(InvalidInput):
        supervisor_configuration(tmp_path / "a ;b", None, service_programs(together=True))


def test_the_environment_has_all_settings_and_the_configuration_no_secret(tmp_path: Path) -> None:
    """Passwords travel in the environment only."""
    environment = instance_environment(tmp_path, SECRET_URI, Listen.parse("0.0.0.0:8081"), {"PATH": "/bin"})
    written = supervisor_configuration(tmp_path, None, service_programs(together=True))

    assert environment["ODST_AMQP_URI"] == SECRET_URI
    assert environment["ODST_DATA"] == str(tmp_path)
    assert environment["ODST_LISTEN"] == "0.0.0.0:8081"
    assert environment["ODST_PUBLIC_URL"] == "http://127.0.0.1:8081"
    assert "very-secret" not in written


def test_a_public_url_that_was_configured_is_kept(tmp_path: Path) -> None:
    """In the environment or in the file: the launcher's own default does not replace it."""
    file = tmp_path / "odst.toml"
    file.write_text('public_url = "https://packages.example.org"\n')
    listen = Listen.parse("127.0.0.1:8080")

    by_file = instance_environment(tmp_path, SECRET_URI, listen, {"ODST_CONFIG": str(file)})
    by_variable = instance_environment(tmp_path, SECRET_URI, listen, {"ODST_PUBLIC_URL": "https://x.example.org"})

    assert by_file["ODST_PUBLIC_URL"] == "https://packages.example.org"
    assert by_variable["ODST_PUBLIC_URL"] == "https://x.example.org"


def test_a_stale_pidfile_is_no_running_launcher(tmp_path: Path) -> None:
    """After a power cut the number may belong to any process, or to none."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "supervisord.pid").write_text("1\n")

    prepare(tmp_path)

    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_credentials_appear_only_when_there_are_some() -> None:
    """The greeting has the password at the very first start, and never again."""
    instance_id = InstanceKey.generate().instance_id

    first = greeting("http://l", "http://p", instance_id, {"user": "admin", "password": "pw", "token": "tk"})
    later = greeting("http://l", "http://p", instance_id, None)

    assert "pw" in first
    assert "password" not in later
    assert instance_id.grouped() in later


def test_an_address_at_which_another_program_listens_is_refused_before_anything_starts() -> None:
    """Else that program would be taken for the instance, and greeted."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        listen = Listen("127.0.0.1", other.getsockname()[1])

        with pytest.raises(Conflict, match="another program listens") as refused:
            check_free(listen)

    assert refused.value.code == "LISTEN_IN_USE"
    check_free(listen)


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    """With what to change."""
    with pytest.raises(InvalidInput, match="--listen"):
        check_free(Listen(host, 8080))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """With what to change."""
    (tmp_path / "file").write_text("")

    with pytest.raises(InvalidInput, match="--data"):
        prepare(tmp_path / "file" / "data")
