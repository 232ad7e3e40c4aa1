"""The whole program: register, try everything, report."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from cli.conformance import feed, limits, packages, records, registration, signatures, witnesses
from cli.conformance.framework import Check, Result
from cli.conformance.joining import join
from cli.conformance.scene import Scene

CHECKS: tuple[Check, ...] = tuple(
    chain(
        signatures.checks,
        signatures.answers,
        registration.checks,
        limits.checks,
        feed.rings,
        feed.feed,
        feed.status,
        packages.manifests,
        packages.chunks,
        packages.content,
        packages.bitmaps,
        packages.tags,
        records.records,
        records.trusted,
        records.stamps,
        records.holdings,
        records.buckets,
        records.bucket,
        witnesses.telling,
        witnesses.holding,
        registration.rotations,
        feed.versions,
    )
)
"""All of them, in the order of the report."""


def examine(scene: Scene) -> Iterator[Result]:
    """Register, and try each check.

    Raises:
        Violation: if the registration failed.
        requests.RequestException: if the instance cannot be reached.
    """
    join(scene)
    for check in CHECKS:
        yield check.result(scene)
