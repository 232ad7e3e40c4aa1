"""Claims about sending a large file: it goes on where the instance stands, patiently, and not for ever."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.resuming import Remembered, ResumableUpload
from odst_client import CallFailed
from odst_client.sending import FilePart
from shared.contracts.admin.packages import Upload
from tests.unit.api_examples import example_of

CONTENT = bytes(range(256)) * 4
URL = "http://there"
AWAY = CallFailed("UNREACHABLE", "the line broke")


@dataclass
class There:
    """An instance that keeps what it is sent, unless the test says that a call fails first."""

    url: str = URL
    kept: dict[str, bytearray] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    fails: Callable[[str, int], CallFailed | None] = lambda _call, _number: None
    """By method and number of the call: what is raised in place of an answer."""
    takes: bool = True
    """Whether it keeps what comes, if it fails too."""

    @property
    def uploads(self) -> There:
        """As the client's group of that name."""
        return self

    def begin(self, *_wish: Any) -> Upload:
        """A new one."""
        self._called("POST")
        self.kept[upload_id := f"u{len(self.kept) + 1}"] = bytearray()
        return self.show(upload_id)

    def offset(self, upload_id: str) -> int:
        """Where it stands."""
        self._called("HEAD")
        return len(self._found(upload_id))

    def send_part(self, upload_id: str, part: FilePart) -> int:
        """All of a part; half of it if the call fails."""
        kept = self._found(upload_id)
        assert part.offset == len(kept)
        content = part.read()
        try:
            self._called("PATCH")
        except CallFailed:
            kept += content[: len(part) // 2] if self.takes else b""
            raise
        kept += content
        return len(kept)

    def show(self, upload_id: str) -> Upload:
        """Whatever becomes of it."""
        return Upload.model_validate(example_of(Upload, upload_id=upload_id, state="received"))

    def _called(self, method: str) -> None:
        self.called.append(method)
        fault = self.fails(method, len(self.called))
        if fault is not None:
            raise fault

    def _found(self, upload_id: str) -> bytearray:
        if upload_id not in self.kept:
            raise CallFailed("HTTP_404", "not there", 404)
        return self.kept[upload_id]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What is to be sent."""
    path = tmp_path / "x.pkg"
    path.write_bytes(CONTENT)
    return path


def sending(there: There, file: Path, pauses: list[float] | None = None, **fields: Any) -> ResumableUpload:
    """On its way, in parts of a quarter."""
    remembered = Remembered(file.parent / "cache", there.url, file, "x.pkg")
    pause = [] if pauses is None else pauses
    return ResumableUpload(there, file, "x.pkg", (), None, remembered, pause=pause.append, part_bytes=256, **fields)  # type: ignore[arg-type]


def remembered(file: Path) -> list[Path]:
    """What is kept for the next time."""
    folder = file.parent / "cache"
    return list(folder.iterdir()) if folder.exists() else []


def test_a_file_is_sent_in_parts_and_nothing_is_remembered(file: Path) -> None:
    """In order, each once, and progress is told."""
    there, told = There(), list[int]()

    assert sending(there, file, progress=told.append).send().upload_id == "u1"
    assert there.kept == {"u1": CONTENT}
    assert there.called == ["POST", "HEAD", *["PATCH"] * 4]
    assert (told[0], told[-1]) == (0, len(CONTENT))
    assert remembered(file) == []


@pytest.mark.parametrize("fault", [AWAY, CallFailed("LOCKED", "", 423), CallFailed("UPLOAD_INCOMPLETE", "", 400), CallFailed("X", "", 503)])
def test_after_what_passes_it_goes_on_where_the_instance_stands(file: Path, fault: CallFailed) -> None:
    """Half a part came: that half is not sent again."""
    there, pauses = There(fails=lambda _, number: fault if number == 4 else None), list[float]()

    sending(there, file, pauses).send()

    assert there.kept == {"u1": CONTENT}
    assert pauses == [0.5]


def test_it_waits_longer_each_time_and_gives_up_in_the_end(file: Path) -> None:
    """What the instance has is remembered for the next time."""
    there, pauses = There(fails=lambda _, number: AWAY if number > 3 else None), list[float]()

    with pytest.raises(CallFailed) as caught:
        sending(there, file, pauses).send()

    assert caught.value is AWAY
    assert pauses[:3] == [0.5, 0.5, 1.0]
    assert max(pauses) == 15
    assert sum(pauses) < 300
    assert len(remembered(file)) == 1


def test_it_gives_up_if_no_byte_more_arrives(file: Path) -> None:
    """Although the instance answers, and says where it stands."""
    there, pauses = There(fails=lambda call, _: AWAY if call == "PATCH" else None, takes=False), list[float]()

    with pytest.raises(CallFailed):
        sending(there, file, pauses).send()

    assert len(pauses) == there.called.count("PATCH") - 1 == 12


def test_given_again_it_goes_on(file: Path) -> None:
    """The same upload, from its offset."""
    there = There(fails=lambda _, number: CallFailed("UNAUTHENTICATED", "", 401) if number == 4 else None)
    with pytest.raises(CallFailed):
        sending(there, file).send()
    there.called.clear()
    there.fails = lambda _call, _number: None

    sending(there, file).send()

    assert there.kept == {"u1": CONTENT}
    assert "POST" not in there.called


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_cannot_be_continued_is_begun_anew(file: Path, status: int) -> None:
    """Expired, somebody else's, or of an instance that was made anew."""
    there = There(fails=lambda call, _: CallFailed("X", "", status) if call == "HEAD" and not there.kept else None)
    Remembered(file.parent / "cache", URL, file, "x.pkg").write("gone")

    sending(there, file).send()

    assert there.kept == {"u1": CONTENT}


def test_another_file_wish_or_instance_is_another_upload(file: Path) -> None:
    """A file that was changed too."""
    folder = file.parent / "cache"
    Remembered(folder, URL, file, "x.pkg").write("u1")
    assert Remembered(folder, URL, file, "x.pkg").read() == "u1"
    assert Remembered(folder, "http://elsewhere", file, "x.pkg").read() is None
    assert Remembered(folder, URL, file, "x.pkg", "test").read() is None

    os.utime(file, ns=(1, 1))

    assert Remembered(folder, URL, file, "x.pkg").read() is None


def test_a_file_that_changes_meanwhile_is_not_sent_on(file: Path) -> None:
    """Its parts would not fit each other."""
    there = There()

    def change(done: int) -> None:
        if done == 512:
            os.utime(file, ns=(1, 1))

    with pytest.raises(CallFailed) as caught:
        sending(there, file, progress=change).send()

    assert caught.value.code == "FILE_CHANGED"


def test_a_refusal_ends_it(file: Path) -> None:
    """What does not pass is not tried again."""
    there = There(fails=lambda call, _: CallFailed("UPLOAD_CANCELLED", "", 410) if call == "PATCH" else None)

    with pytest.raises(CallFailed):
        sending(there, file).send()

    assert there.called == ["POST", "HEAD", "PATCH"]


def test_where_nothing_can_be_remembered_it_is_sent_all_the_same(file: Path) -> None:
    """The cache folder is a file, say."""
    (file.parent / "cache").write_text("no folder")

    assert sending(There(), file).send().state == "received"
