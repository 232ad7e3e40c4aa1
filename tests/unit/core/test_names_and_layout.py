"""Claims about names and paths (promise D4): nothing leaves the store, and names are shown as they were given."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.core.digest import Digest
from shared.core.errors import InvalidInput
from shared.core.layout import Layout
from shared.core.names import MAX_NAME_BYTES, PackageName

ROOT = Path("/srv/odst")
HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b.pkg",
    "a\\b.pkg",
    "C:evil.pkg",
    "nul\0.pkg",
    "line\r\nSet-Cookie: x",
    "tab\t.pkg",
    "right\u202eto-left.pkg",
    "\ufeffbom.pkg",
    "soft\u00adhyphen.pkg",
    "line\u2028separator.pkg",
    "CON",
    "con.pkg",
    "LPT1.dmg",
    "nul .pkg",
    "%2e%2e",
    "a%2Fb.pkg",
    "a%5cb.pkg",
    ".hidden",
    " leading.pkg",
    "trailing.pkg ",
    "trailing.",
    "x" * 256,
    "é" * 128,
    "\ud800.pkg",
    "wild*.pkg",
    "what?.pkg",
    'quote".pkg',
    "a|b.pkg",
    "<b>.pkg",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_refused_with_the_rule_they_break(text: str) -> None:
    """A code, and a sentence that says more than that it is wrong."""
    with pytest.raises(InvalidInput) as caught:
        PackageName.parse(text)

    assert caught.value.code == "NAME_INVALID"
    assert "cannot be used: it " in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "Firefox-128.0.pkg",
        "Größe & Maß (1).dmg",
        "日本語.pkg",
        "👩\u200d💻.pkg",
        "a b.pkg",
        "x" * 255,
        "100%.pkg",
        "CONtact.pkg",
        "a'b;c$d`e.pkg",
        "-rf",
    ],
)
def test_names_of_people_are_kept_as_they_are(text: str) -> None:
    """Emoji, spaces and other scripts are no attack."""
    assert str(PackageName.parse(text)) == text


def test_two_spellings_of_one_name_are_one_name() -> None:
    """A Mac sends decomposed, others composed characters."""
    assert PackageName.parse(unicodedata.normalize("NFD", "Größe.pkg")) == PackageName.parse("Größe.pkg")


def test_case_is_significant() -> None:
    """As on the file systems that servers use."""
    assert PackageName.parse("App.pkg") != PackageName.parse("app.pkg")


@given(st.text(max_size=300) | st.text(alphabet="./\\%2eEfF5cC: \0ConNulA", max_size=12))
@example("..")
@example("..%2f..")
def test_whatever_is_accepted_stays_in_the_folder(text: str) -> None:
    """Joined to a folder it is one file in that folder, on POSIX and on Windows; it fits the disk and a header line."""
    try:
        name = PackageName.parse(text)
    except InvalidInput:
        return

    path = Layout(ROOT).public_file(name)
    assert path.parent == ROOT / "public"
    assert PurePosixPath(name.text).name == name.text
    assert PureWindowsPath(name.text).name == name.text
    assert path.resolve() == path
    assert 1 <= len(name.text.encode()) <= MAX_NAME_BYTES
    assert not any(unicodedata.category(character) == "Cc" for character in name.text)
    assert PackageName.parse(name.text) == name


@given(st.text(max_size=40))
@example("3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a\n")
@example("../3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a")
def test_only_ids_become_paths(text: str) -> None:
    """Whatever else is given is refused before there is a path."""
    layout = Layout(ROOT)
    for path_of in (layout.part, layout.part_chunks, layout.quarantined):
        with pytest.raises(ValueError, match="not an id"):
            path_of(text)


def test_the_layout_is_the_one_that_is_drawn() -> None:
    """`shared/core/layout.py` shows the tree; nginx and backups rely on it."""
    layout, digest = Layout(ROOT), Digest("sha256", "abcd" + "0" * 60)
    incoming_id = "3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a"

    assert layout.part(incoming_id) == ROOT / "incoming" / f"{incoming_id}.part"
    assert layout.part_chunks(incoming_id) == ROOT / "incoming" / f"{incoming_id}.chunks"
    assert layout.blob(digest) == ROOT / "blobs/sha256/ab/cd" / digest.hex
    assert layout.blob_chunks(digest) == ROOT / "blobs/sha256/ab/cd" / f"{digest.hex}.chunks"
    assert layout.quarantined(incoming_id) == ROOT / "quarantine" / incoming_id
    assert (layout.secrets, layout.databases) == (ROOT / "secrets", ROOT / "databases")
