"""Claims about `odst audit`: what it asks for, and what it says of a log that is not what it was."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.core.audit_chain import NOTHING, Link
from tests.unit.prepared_gateway import Gateway, a_prepared_gateway

API = "/api/v1"
VERIFY = f"POST {API}/audit/verify"
FAULT = {"kind": "edited", "first": 7, "last": 7, "detail": "entry 7 was edited"}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Answers what it is told to."""
    with a_prepared_gateway() as prepared:
        yield prepared


def portion(**fields: Any) -> dict[str, Any]:
    """What a check of some entries found."""
    return {
        "first": 1,
        "last": 9,
        "entries": 9,
        "checkpoints": 2,
        "other_keys": 0,
        "faults": [],
        "more_faults": 0,
        "next": None,
    } | fields


def chain(length: int) -> list[Link]:
    """A log."""
    links: list[Link] = []
    for number in range(1, length + 1):
        links.append(Link.made({"number": number, "previous": links[-1].hash if links else NOTHING, "person": f"p{number}"}))
    return links


def write(path: Path, links: list[Link]) -> str:
    """An export in a file, packed if its name says so; the file's name."""
    content = "".join(f"{link.line}\n" for link in links).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def test_a_search_is_asked_for_as_it_was_said(gateway: Gateway) -> None:
    """All filters reach the instance; what was not said is not asked for."""
    query = "limit=5&person=ada&type=act.%2A&subject=x.pkg&correlation_id=c&since=2026-01-01T00%3A00%3A00Z&text=Fire"
    gateway.answers[f"GET {API}/audit?{query}"] = (200, {"items": [], "next": "7"})

    words = ("--limit", "5", "--person", "ada", "--type", "act.*", "--subject", "x.pkg", "--correlation-id", "c")
    told = gateway.run("audit", *words, "--since", "2026-01-01T00:00:00Z", "--grep", "Fire")

    assert "odst audit --after 7" in told.stdout, told.output
    gateway.answers[f"GET {API}/audit?limit=50"] = (200, {"items": [], "next": None})
    assert json.loads(gateway.run("audit", "--json").stdout) == {"items": [], "next": None}


def test_an_export_is_written_as_it_comes(gateway: Gateway, tmp_path: Path) -> None:
    """To a file, or to standard output."""
    gateway.answers[f"GET {API}/audit/export?format=csv&person=ada"] = (200, b"number\r\n1\r\n")
    gateway.answers[f"GET {API}/audit/export?format=jsonl"] = (200, b"line\n")

    assert gateway.run("audit", "export", "--format", "csv", "--person", "ada", "-o", str(tmp_path / "x.csv")).exit_code == 0
    assert (tmp_path / "x.csv").read_bytes() == b"number\r\n1\r\n"
    assert gateway.run("audit", "export").stdout == "line\n"


def test_a_log_that_is_well_is_said_to_be(gateway: Gateway) -> None:
    """All portions are asked for, one after the other."""
    gateway.answers[VERIFY] = (200, portion())

    told = gateway.run("audit", "verify")

    assert (told.exit_code, "9 entries are chained" in told.stdout) == (0, True)
    assert gateway.bodies(VERIFY) == [{"witnesses": False}]


def test_what_is_wrong_is_named_and_the_exit_code_says_so(gateway: Gateway) -> None:
    """For people, and as JSON."""
    gateway.answers[VERIFY] = (200, portion(faults=[FAULT], more_faults=3))

    told = gateway.run("audit", "verify")
    as_json = gateway.run("audit", "verify", "--json")

    assert (told.exit_code, as_json.exit_code) == (1, 1)
    assert "entry 7 was edited" in told.stdout
    assert "and 3 more" in told.stdout
    assert json.loads(as_json.stdout)["faults"] == [FAULT]


def test_a_witness_that_says_otherwise_is_enough(gateway: Gateway) -> None:
    """One that is silent says nothing."""
    silent = {"peer_id": "A" * 52, "name": "Oslo", "state": "silent", "checkpoints": 0, "newest": None, "faults": []}
    gateway.answers[VERIFY] = (200, portion(witnesses=[silent]))
    assert gateway.run("audit", "verify", "--witnesses").exit_code == 0

    against = silent | {"name": "Kiel", "state": "contradicts", "faults": [FAULT | {"detail": "Kiel has another hash"}]}
    gateway.answers[VERIFY] = (200, portion(witnesses=[silent, against]))
    told = gateway.run("audit", "verify", "--witnesses")

    assert told.exit_code == 1
    assert "Kiel has another hash" in told.stdout
    assert gateway.bodies(VERIFY) == [{"witnesses": True}] * 2


def test_files_are_checked_without_asking_anybody(gateway: Gateway, tmp_path: Path) -> None:
    """Exports, and sealed files in their order; the chain goes on from one to the next."""
    links = chain(9)
    first, second = write(tmp_path / "1.jsonl.gz", links[:4]), write(tmp_path / "2.jsonl", links[4:])

    assert gateway.run("audit", "verify", "--file", first, "--file", second).exit_code == 0
    assert gateway.run("audit", "verify", "--file", second, "--file", first).exit_code == 1
    assert gateway.asked == []


def test_a_file_that_was_changed_is_found_out(gateway: Gateway, tmp_path: Path) -> None:
    """And with which entry."""
    links = chain(9)
    edited = write(tmp_path / "edited.jsonl", links)
    (tmp_path / "edited.jsonl").write_text((tmp_path / "edited.jsonl").read_text().replace('"p7"', '"p8"'))
    told = gateway.run("audit", "verify", "--file", edited)
    assert (told.exit_code, "entry 7 was edited" in told.stdout) == (1, True)

    gaps = write(tmp_path / "gaps.jsonl", [links[2], links[3], links[7]])
    told = gateway.run("audit", "verify", "--file", gaps)
    assert (told.exit_code, "entries 5 to 7 are missing" in told.stdout) == (1, True)
    assert gateway.run("audit", "verify", "--file", gaps, "--partial").exit_code == 0

    junk = tmp_path / "junk.jsonl"
    junk.write_text("nonsense\n")
    told = gateway.run("audit", "verify", "--file", str(junk))
    assert (told.exit_code, "AUDIT_LINE_MALFORMED" in told.stderr) == (1, True)


def test_a_file_has_no_witnesses(gateway: Gateway, tmp_path: Path) -> None:
    """Peers know of the log of an instance."""
    told = gateway.run("audit", "verify", "--witnesses", "--file", write(tmp_path / "x.jsonl", chain(1)))

    assert (told.exit_code, "--witnesses" in told.stderr) == (2, True)


def test_an_instance_without_witnesses_is_told_that_it_has_none(gateway: Gateway) -> None:
    """Who asks the peers and hears nothing of them must not take that for their consent."""
    gateway.answers[VERIFY] = (200, portion(witnesses=[]))

    assert "No peer is a witness" in gateway.run("audit", "verify", "--witnesses").stdout
    assert "witness" not in gateway.run("audit", "verify").stdout
