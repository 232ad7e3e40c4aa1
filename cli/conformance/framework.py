"""Checks: what they are, how they are collected, and what comes out of them.

A check is a function of the scene with one sentence as its docstring. It returns if the instance does as the page says, raises
`Violation` if it does not, and `NothingToCheck` if there is nothing to try it on::

    checks = Checks("What the receiver checks")

    @checks.add()
    def counts_once(scene: Scene) -> None:
        '''A request that is sent twice counts once.'''
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import requests
from http_message_signatures import HTTPMessageSignaturesException

from cli.conformance.scene import Scene
from cli.conformance.violation import NothingToCheck, Violation
from shared.core.errors import OdstError

_UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, OdstError, HTTPMessageSignaturesException)
"""What reading an answer raises that is not as it should be."""
T = TypeVar("T")


class Outcome(StrEnum):
    """What came of a check."""

    OK = "ok"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report."""

    title: str
    section: str
    outcome: Outcome
    told: str = ""
    """What was expected and what was seen instead; or why there was nothing to check."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to find out, and where the page says how it is to be."""

    title: str
    section: str
    second: bool
    """True if an instance of version 1 need not pass it."""
    run: Callable[[Scene], None]

    def result(self, scene: Scene) -> Result:
        """Try it."""
        outcome, told = self._outcome(scene)
        return Result(self.title, self.section, outcome, told)

    def _outcome(self, scene: Scene) -> tuple[Outcome, str]:
        if self.second and not scene.speaks_second:
            return Outcome.SKIPPED, "the instance speaks version 1 only"
        try:
            self.run(scene)
        except NothingToCheck as error:
            return Outcome.SKIPPED, str(error)
        except Violation as error:
            return Outcome.FAILED, str(error)
        except requests.RequestException as error:
            return Outcome.FAILED, f"expected an answer; the connection failed: {type(error).__name__}"
        except _UNREADABLE as error:
            return Outcome.FAILED, f"expected an answer as described; it cannot be read: {type(error).__name__}: {error}"[:400]
        return Outcome.OK, ""


class Checks:
    """Those of one section of the page."""

    def __init__(self, section: str, *, second: bool = False) -> None:
        """`section` is a heading of docs/peer-protocol.md."""
        self._section, self._second = section, second
        self._collected: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        """In the order in which they were written."""
        return iter(self._collected)

    def add(self, *, second: bool = False) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
        """Decorator: collect a check."""

        def decorate(run: Callable[[Scene], None]) -> Callable[[Scene], None]:
            self._collect(_sentence(run), run, second)
            return run

        return decorate

    def each(self, cases: Mapping[str, T], *, second: bool = False) -> Callable[[Callable[[Scene, T], None]], Callable[[Scene, T], None]]:
        """Decorator: collect a check for each case; it gets the case's value, and its name stands in the report."""

        def decorate(run: Callable[[Scene, T], None]) -> Callable[[Scene, T], None]:
            for name, case in cases.items():
                self._collect(f"{_sentence(run)}: {name}", _bound(run, case), second)
            return run

        return decorate

    def _collect(self, title: str, run: Callable[[Scene], None], second: bool) -> None:
        self._collected.append(Check(title, self._section, second or self._second, run))


def _bound(run: Callable[[Scene, T], None], case: T) -> Callable[[Scene], None]:
    return lambda scene: run(scene, case)


def _sentence(function: Callable[..., Any]) -> str:
    return (function.__doc__ or function.__name__).strip().splitlines()[0].removesuffix(".")
