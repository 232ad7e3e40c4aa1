"""A private OpenLDAP for tests: slapd as a plain child, its tree in one folder, nothing left behind.

It has TLS with certificates of the test's own, `memberOf`, and a password policy that locks an account after three failures. It also
allows what many directories allow: a name with an empty password is taken for nobody in particular, and that succeeds. Who sends
such a thing lets everybody in.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from ldap3 import MODIFY_REPLACE, NONE, Connection, Server

from services.directory.adapters.ldap_plan import Endpoint, LdapPlan
from shared.core.errors import ServiceUnavailable
from shared.runtime.ports import free_port
from shared.testing.certificates import Authority, Issued
from shared.testing.slapd_tree import BASE, GROUPS, PEOPLE_LDIF, READER
from shared.testing.waiting import wait_for

MOST_FAILURES = 3
"""Wrong passwords after which an account is locked."""
_SYSTEM_PATH = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/libexec", "/opt/homebrew/opt/openldap/libexec"))
_MODULES = (Path("/usr/lib/ldap"), Path("/usr/lib64/openldap"))
_SCHEMAS = (Path("/etc/ldap/schema"), Path("/etc/openldap/schema"), Path("/opt/homebrew/etc/openldap/schema"))
_STOP_SECONDS = 10
_CONFIGURATION = """\
{schemas}
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
{modules}
allow bind_anon_cred
TLSCACertificateFile {authority}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}

database mdb
suffix "{base}"
rootdn "cn=root,{base}"
rootpw {password}
directory {folder}/db
dbnosync
overlay memberof
overlay ppolicy
ppolicy_default "cn=policy,{base}"
ppolicy_use_lockout
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by * none
"""


def find_slapd() -> tuple[Path, Path]:
    """The server on this machine, and the folder of its schemas.

    Raises:
        ServiceUnavailable: SLAPD_NOT_INSTALLED, naming the command that installs it.
    """
    program = shutil.which("slapd") or shutil.which("slapd", path=_SYSTEM_PATH)
    schemas = next((folder for folder in _SCHEMAS if (folder / "inetorgperson.schema").exists()), None)
    if program is None or schemas is None:
        raise ServiceUnavailable(
            "no OpenLDAP server was found (Debian, Ubuntu: sudo apt-get install slapd; macOS: brew install openldap)", "SLAPD_NOT_INSTALLED"
        )
    return Path(program), schemas


class PrivateSlapd:
    """One server with the tree of `slapd_tree`. A context manager: ready inside, gone without trace afterwards."""

    def __init__(self, authority: Authority, issued: Issued) -> None:
        """Nothing is started yet; the server will show this certificate.

        Raises:
            ServiceUnavailable: if OpenLDAP is not installed.
        """
        self._program, self._schemas = find_slapd()
        self._authority, self._issued = authority, issued
        self._root_password = secrets.token_urlsafe(16)
        self.reader_password = secrets.token_urlsafe(16)
        self.port, self.tls_port = free_port(), free_port()
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Fill the tree and start."""
        self._folder = Path(tempfile.mkdtemp(prefix="odst-slapd-"))
        try:
            self._fill()
            self.start()
            self._add_groups()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """End the server and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """Process id of the server, while it runs."""
        return self._server.pid if self._server else None

    def url(self, scheme: str = "ldaps", host: str = "localhost") -> str:
        """Where it answers."""
        return f"{scheme}://{host}:{self.tls_port if scheme == 'ldaps' else self.port}"

    def plan(self, *urls: str, **changes: Any) -> LdapPlan:
        """How to ask it: by LDAPS, as its reader, and with the patience of a busy machine, unless something else is said."""
        servers = tuple(map(Endpoint.parse, urls or (self.url(),)))
        plan = LdapPlan(
            servers,
            BASE,
            starttls=False,
            ca_file=self._authority.file,
            bind_dn=READER,
            bind_password=self.reader_password,
            timeout_seconds=30,
        )
        return dataclasses.replace(plan, **changes)

    def start(self) -> None:
        """Start, and wait until it answers."""
        addresses = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        self._server = self._spawn("-d", "0", "-f", "slapd.conf", "-h", addresses)
        wait_for(self._answers, "the private slapd answers", deadline_seconds=30, tolerate=(OSError,))

    def stop(self) -> None:
        """End the server; the tree stays."""
        if self._server is None:
            return
        self._server.send_signal(signal.SIGCONT)
        self._server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(_STOP_SECONDS)
        self._server.kill()
        self._server.wait()
        self._server = None

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """It does not run; afterwards it does again."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Connections are accepted by the kernel, and nobody answers."""
        assert self._server, "slapd does not run"
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

    def unlock(self, dn: str) -> None:
        """Open a locked account, as its administrator."""
        with self._as_root() as connection:
            assert connection.modify(dn, {"pwdAccountLockedTime": [(MODIFY_REPLACE, [])]}), connection.result

    def failures_of(self, dn: str) -> int:
        """How many wrong passwords the policy has counted since the last right one."""
        with self._as_root() as connection:
            connection.search(dn, "(objectClass=*)", "BASE", attributes=["pwdFailureTime"])
            return len(connection.response[0]["raw_attributes"].get("pwdFailureTime", ()))

    def _fill(self) -> None:
        (self._folder / "db").mkdir()
        (self._folder / "slapd.conf").write_text(self._configuration(), encoding="utf-8")
        (self._folder / "tree.ldif").write_text(PEOPLE_LDIF.replace("@READER@", self.reader_password), encoding="utf-8")
        filled = self._spawn("-T", "add", "-q", "-f", "slapd.conf", "-l", "tree.ldif").wait(60)
        assert filled == 0, self._said()

    def _configuration(self) -> str:
        modules = next((folder for folder in _MODULES if (folder / "back_mdb.la").exists()), None)
        loaded = [f"modulepath {modules}", *(f"moduleload {name}" for name in ("back_mdb", "memberof", "ppolicy"))] if modules else []
        return _CONFIGURATION.format(
            schemas="\n".join(f"include {self._schemas}/{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson")),
            modules="\n".join(loaded),
            folder=self._folder,
            authority=self._authority.file,
            certificate=self._issued.certificate,
            key=self._issued.key,
            base=BASE,
            password=self._root_password,
            reader=READER,
        )

    def _add_groups(self) -> None:
        """While it runs: `memberOf` is filled then only."""
        with self._as_root() as connection:
            for dn, kind, attributes in GROUPS:
                assert connection.add(dn, kind, attributes), connection.result

    @contextlib.contextmanager
    def _as_root(self) -> Iterator[Connection]:
        there = Server("127.0.0.1", self.port, get_info=NONE, connect_timeout=10)
        with Connection(there, f"cn=root,{BASE}", self._root_password, auto_bind=True, check_names=False, receive_timeout=10) as connection:
            yield connection

    def _spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                (str(self._program), *arguments), cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, self._said()
        for port in (self.port, self.tls_port):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True

    def _said(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-3000:]
