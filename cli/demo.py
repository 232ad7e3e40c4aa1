"""`odst demo`: three whole instances in a line, one upload at A, proof at C.

::

    A  <──registered──  B  <──registered──  C
    upload, hash, sign      hop A→B             hop B→C, download, compare

Everything runs in a temporary folder on free ports, and ends with the demonstration unless it is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from cli import output
from cli.local_instance import LocalInstance
from odst_client import CallFailed, Client, Progress
from shared.contracts.admin.base import Fault
from shared.contracts.admin.packages import Package
from shared.core.errors import OdstError
from shared.core.names import PackageName
from shared.runtime.broker import PrivateBroker
from shared.runtime.bus.connection import CONNECTION_ERRORS, connect
from shared.runtime.ports import free_port

NAMES = ("A", "B", "C")
MADE_BYTES = 64 * 1024 * 1024
_BLOCK = 1024 * 1024
_FLOOR_BYTES = 512 * 1024 * 1024
_BASE_SECONDS = 120
_SLOWEST_BYTES_PER_SECOND = 4_000_000
"""A step that is slower than this on one machine has failed."""
_POLL_SECONDS = 0.2


class DemoFailed(Exception):
    """The demonstration did not hold. `instance` is the one whose logs may tell why."""

    def __init__(self, message: str, instance: LocalInstance | None = None) -> None:
        super().__init__(message)
        self.instance = instance


@dataclass(frozen=True, slots=True)
class Digests:
    """What identifies the bytes."""

    size: int
    sha256: str
    sha1: str

    @classmethod
    def of(cls, blocks: Iterable[bytes], progress: Progress = lambda _done: None) -> Digests:
        """Of bytes that come in blocks."""
        sha256, sha1, size = hashlib.sha256(), hashlib.sha1(usedforsecurity=False), 0
        for block in blocks:
            sha256.update(block)
            sha1.update(block)
            size += len(block)
            progress(size)
        return cls(size, sha256.hexdigest(), sha1.hexdigest())

    @classmethod
    def of_file(cls, file: Path) -> Digests:
        """Of a file, in constant memory."""
        with file.open("rb") as opened:
            return cls.of(iter(lambda: opened.read(_BLOCK), b""))

    @classmethod
    def of_record(cls, record: Package) -> Digests:
        """As an instance's catalogue has them."""
        return cls(record.size, record.sha256, record.sha1)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the final table."""

    title: str
    seconds: float
    size: int
    digest_ok: bool | None = None
    """None where nothing could be compared yet."""

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {"step": self.title, "seconds": round(self.seconds, 3), "mb_per_second": self.rate(), "digest_ok": self.digest_ok}

    def rate(self) -> float:
        """Millions of bytes a second."""
        return round(self.size / 1e6 / max(self.seconds, 1e-6), 1)


def run_demo(file: Path | None, *, keep: bool = False, as_json: bool = False) -> int:
    """Run it. Returns the exit code: 0 if every digest is right everywhere, else 1; 130 if it was interrupted."""
    say: Callable[[str], None] = (lambda _line: None) if as_json else (lambda line: print(line, flush=True))
    with _terminable():
        try:
            with tempfile.TemporaryDirectory(prefix="odst-demo-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
                try:
                    Demo(Path(folder), stack, say, quiet=as_json).run(file, keep=keep)
                finally:
                    _ignore_signals()
        except DemoFailed as error:
            print(f"the demonstration failed: {error}", file=sys.stderr)
            return 1
        except (OdstError, CallFailed) as error:
            print(f"the demonstration failed: {error.code}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; everything that was started has been ended", file=sys.stderr)
            return 130
    return 0


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the demonstration as Ctrl-C does, so that nothing is left behind."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    # An impatient second Ctrl-C must not stop what ends the children.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Demo:
    """The demonstration, step by step."""

    def __init__(self, folder: Path, stack: ExitStack, say: Callable[[str], None], *, quiet: bool) -> None:
        """What is started is ended by `stack`."""
        self._folder = folder
        self._stack = stack
        self._say = say
        self._quiet = quiet
        self._steps: list[Step] = []

    def run(self, file: Path | None, *, keep: bool) -> None:
        """All of it.

        Raises:
            DemoFailed: if anything is not as promised.
        """
        name = PackageName.parse(file.name if file else "odst-demo.bin").text
        self._check_space(file.stat().st_size if file else MADE_BYTES)
        path = file or self._make_file()
        original = Digests.of_file(path)
        instances = self._start()
        try:
            self._register(instances)
            self._move(path, name, original, instances)
            self._report()
            if keep:
                self._keep(instances)
        except (OdstError, CallFailed) as error:
            raise DemoFailed(f"{error.code}: {error}\n{_all_last_words(instances)}") from error
        except DemoFailed as error:
            words = error.instance.last_words() if error.instance else _all_last_words(instances)
            raise DemoFailed(f"{error}\n{words}") from error

    # Preparing

    def _check_space(self, size: int) -> None:
        needed = 4 * size + _FLOOR_BYTES
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise DemoFailed(
                f"three copies need {output.size(needed)} in {self._folder.parent}, and {output.size(free)} are free; "
                "name a larger folder in TMPDIR"
            )

    def _make_file(self) -> Path:
        self._say(f"making a random file of {output.size(MADE_BYTES)}")
        path = self._folder / "odst-demo.bin"
        with path.open("wb") as file:
            for _ in range(MADE_BYTES // _BLOCK):
                file.write(os.urandom(_BLOCK))
        return path

    def _start(self) -> list[LocalInstance]:
        uris = self._broker_uris()
        self._say("starting three instances: A, B and C")
        instances = [
            self._stack.enter_context(LocalInstance(name, self._folder / name.lower(), uri, free_port()))
            for name, uri in zip(NAMES, uris, strict=True)
        ]
        for instance in instances:
            instance.start()
        for instance in instances:
            _wait_ready(instance)
            self._say(f"  {instance.name} is ready at {instance.url}")
        return instances

    def _broker_uris(self) -> Sequence[str]:
        named = os.environ.get("ODST_AMQP_URI")
        if named:
            uris = [f"{named.partition('?')[0].rstrip('/').rpartition('/')[0]}/odst-demo-{name.lower()}" for name in NAMES]
            if all(_opens(uri) for uri in uris):
                self._say("using the RabbitMQ at ODST_AMQP_URI")
                return uris
            self._say("the virtual hosts odst-demo-a, -b and -c cannot be opened at ODST_AMQP_URI: starting a private RabbitMQ")
        else:
            self._say("starting a private RabbitMQ")
        vhosts = [name.lower() for name in NAMES]
        broker = self._stack.enter_context(PrivateBroker(self._folder / "broker", vhosts))
        return [broker.uri(vhost) for vhost in vhosts]

    def _register(self, instances: Sequence[LocalInstance]) -> None:
        for inviting, joining in itertools.pairwise(instances):
            joining.client().peers.join(inviting.client().peers.invite().invitation)
            self._say(f"  {joining.name} is registered with {inviting.name}")

    # Moving

    def _move(self, path: Path, name: str, original: Digests, instances: Sequence[LocalInstance]) -> None:
        first, last = instances[0], instances[-1]
        with output.bars(quiet=self._quiet) as bars:
            package_id = self._upload(path, name, original, first, bars)
            for source, target in itertools.pairwise(instances):
                title = f"hop {source.name} to {target.name}"
                update = bars.step(title, original.size)
                with self._timed(title, original) as check:
                    check(target, Digests.of_record(_wait_published(target, package_id, original.size, update)))
            update = bars.step(f"download from {last.name}", original.size)
            with self._timed(f"download from {last.name}", original) as check:
                check(last, Digests.of(Client(last.url).uploads.download(name), update))
                update(original.size)

    def _upload(self, path: Path, name: str, original: Digests, first: LocalInstance, bars: output.Bars) -> str:
        client = first.client()
        started = time.monotonic()
        accepted = client.uploads.send(path, name, progress=bars.step("upload to A", original.size))
        self._steps.append(Step("upload to A", time.monotonic() - started, original.size))
        update = bars.step("hashing at A", original.size)
        with self._timed("hashing at A", original) as check:
            ended = client.uploads.wait(accepted.upload_id, update, timeout_seconds=_patience(original.size))
            if ended.state not in {"published", "already_here"} or ended.package_id is None:
                raise DemoFailed(f"A did not publish the upload: {ended.state} {_why(ended.error)}", first)
            update(original.size)
            check(first, Digests.of_record(client.packages.show(ended.package_id)))
        return ended.package_id

    @contextmanager
    def _timed(self, title: str, original: Digests) -> Iterator[Callable[[LocalInstance, Digests], None]]:
        """Time a step; it must call what it is given with the digests that it found."""
        started = time.monotonic()

        def check(instance: LocalInstance, found: Digests) -> None:
            if found != original:
                raise DemoFailed(f"{title}: the bytes differ. Expected {original}, found {found}", instance)
            self._steps.append(Step(title, time.monotonic() - started, original.size, digest_ok=True))

        yield check

    # Telling

    def _report(self) -> None:
        if self._quiet:
            output.print_json({"steps": [step.row() for step in self._steps], "ok": True})
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title, side in (("step", "left"), ("seconds", "right"), ("MB/s", "right"), ("digest", "left")):
            table.add_column(title, justify=side)  # type: ignore[arg-type]
        for step in self._steps:
            table.add_row(step.title, f"{step.seconds:.2f}", f"{step.rate():.1f}", "ok" if step.digest_ok else "-")
        output.console().print(table)
        self._say("every digest is the same: original, catalogues of A, B and C, and the bytes that C serves")

    def _keep(self, instances: Sequence[LocalInstance]) -> None:
        for instance in instances:
            admin = instance.first_admin()
            print(f"{instance.name}  {instance.url}  user {admin['user']}  password {admin['password']}  token {admin['token']}")
        print("all three are left running; Ctrl-C ends them", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


def _opens(uri: str) -> bool:
    try:
        connect(uri, timeout_seconds=5).release()
    except CONNECTION_ERRORS:
        return False
    return True


def _wait_ready(instance: LocalInstance) -> None:
    try:
        instance.wait_ready()
    except OdstError as error:
        raise DemoFailed(f"{error}\n{instance.last_words()}", instance) from error


def _patience(size: int) -> float:
    """Seconds after which a step over so many bytes has failed."""
    return _BASE_SECONDS + size / _SLOWEST_BYTES_PER_SECOND


def _wait_published(instance: LocalInstance, package_id: str, size: int, progress: Progress) -> Package:
    """The package's record, once the instance has published it; `progress` hears the bytes that arrived."""
    client, deadline = instance.client(), time.monotonic() + _patience(size)
    while True:
        record = client.packages.find(package_id)
        if record and record.state == "published":
            progress(size)
            return record
        if record and record.state == "quarantined":
            raise DemoFailed(f"{instance.name} put the package in quarantine: {_why(record.error)}", instance)
        if time.monotonic() > deadline:
            raise DemoFailed(f"{instance.name} has not published the package after {_patience(size):.0f} s", instance)
        progress(_arrived(client, package_id, size))
        time.sleep(_POLL_SECONDS)


def _arrived(client: Client, package_id: str, size: int) -> int:
    moved = [transfer for transfer in client.transfers.page(limit=20).items if transfer.package_id == package_id]
    # The last byte counts as arrived only when the package is published.
    return min(moved[0].bytes_done, max(size - 1, 0)) if moved else 0


def _why(fault: Fault | None) -> str:
    return f"{fault.code}: {fault.reason}" if fault else ""


def _all_last_words(instances: Sequence[LocalInstance]) -> str:
    return "\n".join(instance.last_words() for instance in instances)
