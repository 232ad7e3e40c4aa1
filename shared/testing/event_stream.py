"""Server-Sent Events as a strict reader reads them: whatever is not exactly what the format has is a fault."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import requests

from shared.testing.waiting import wait_for

_ENDS_SECONDS = 10


@dataclass(frozen=True)
class Got:
    """One message, or a remark."""

    event: str = ""
    event_id: str | None = None
    document: dict[str, Any] = field(default_factory=dict)
    comment: str | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The event itself."""
        found: dict[str, Any] = self.document["data"]
        return found


def parse(text: str) -> list[Got]:
    """All messages of a stream, in which nothing else may be.

    Raises:
        AssertionError: if it is not well-formed.
    """
    assert text == "" or text.endswith("\n\n"), f"the last message is not complete: {text[-80:]!r}"
    return [_block(block) for block in text.split("\n\n")[:-1]]


def _block(block: str) -> Got:
    fields: dict[str, str] = {}
    comment = None
    for line in block.split("\n"):
        name, colon, value = line.partition(": ")
        assert colon, f"no field and no comment: {line!r}"
        assert "\r" not in line
        if name == "":
            comment = value
            continue
        assert name in ("id", "event", "data", "retry"), f"no field of the format: {name!r}"
        assert name not in fields, f"{name} twice in one message"
        fields[name] = value
    assert ("data" in fields) == ("event" in fields), f"an event without data, or data without its event: {block!r}"
    assert fields.get("retry", "0").isdigit()
    document = json.loads(fields["data"]) if "data" in fields else {}
    assert document.get("type", "") == fields.get("event", "")
    return Got(fields.get("event", ""), fields.get("id"), document, comment)


class Follower:
    """Follows an instance in a thread of its own. A context manager that ends it."""

    def __init__(self, url: str, token: str, query: str = "", last: str | None = None) -> None:
        """Connects at once; `status` says what was answered."""
        headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last} if last else {})}
        self.answer = requests.get(f"{url}/api/v1/events{query}", headers=headers, stream=True, timeout=60)
        self.ended = threading.Event()
        self._text = ""
        if self.answer.status_code == requests.codes.ok:
            threading.Thread(target=self._read, args=(self.answer.iter_content(None),), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self.answer.status_code == requests.codes.ok and not self.ended.is_set():
            # Closing alone would wait for whoever reads, until the next heartbeat.
            with contextlib.suppress(OSError, RuntimeError, ValueError):  # it ended meanwhile
                self.answer.raw.shutdown()
            self.ended.wait(_ENDS_SECONDS)
        self.answer.close()

    def _read(self, blocks: Iterable[bytes]) -> None:
        try:
            for block in blocks:
                self._text += block.decode()
        except (requests.RequestException, AttributeError):  # closed by us while reading
            pass
        finally:
            self.ended.set()

    @property
    def got(self) -> list[Got]:
        """All that came so far, as far as it is complete."""
        complete = self._text.rpartition("\n\n")
        return parse(complete[0] + complete[1])

    @property
    def events(self) -> list[Got]:
        """The events of it, and messages about the stream."""
        return [one for one in self.got if one.event]

    @property
    def types(self) -> list[str]:
        """Their types."""
        return [one.event for one in self.events]

    @property
    def last(self) -> str | None:
        """The id by which it would come back."""
        return next((one.event_id for one in reversed(self.got) if one.event_id), None)

    def wait(self, event_type: str, deadline_seconds: float = 60, **data: Any) -> Got:
        """Until an event of this type came, with these values in its data; the first."""

        def came() -> Got | None:
            return next((one for one in self.events if one.event == event_type and data.items() <= one.data.items()), None)

        found = wait_for(came, f"{event_type} with {data}", deadline_seconds=deadline_seconds)
        assert found is not None
        return found
