"""The hashing service: table of contents."""

from __future__ import annotations

from typing import Any

from services.hashing.config import HashingSettings
from services.hashing.wiring import build
from shared.contracts.events import PackageAssembledV1, PackageDigestsWantedV1, PackageReceivedV1
from shared.runtime.bus.answers import answers
from shared.runtime.bus.handles import handles
from shared.runtime.services import Hosted, InEffect, Wired


class HashingService:
    """Proof. One file at a time: a digest pass uses both cores by itself."""

    name = "hashing"
    wired = Wired(build)
    in_effect = InEffect()

    @handles(PackageReceivedV1, prefetch=1)
    def on_package_received(self, event: PackageReceivedV1) -> None:
        """Step 2 of the seed."""
        self.wired.handlers.hash_upload(event)

    @handles(PackageAssembledV1, prefetch=1)
    def on_package_assembled(self, event: PackageAssembledV1) -> None:
        """Step 7 of the seed, the final check."""
        self.wired.handlers.verify_assembled(event)

    @handles(PackageDigestsWantedV1, prefetch=1)
    def on_digests_wanted(self, event: PackageDigestsWantedV1) -> None:
        """For programs outside that check a package by MD5 or SHA-512."""
        self.wired.further.digest_blob(event)

    @answers
    def list_settings(self) -> Any:
        """What this process goes by, and where it came from."""
        return self.in_effect()

    @answers
    def figures(self) -> Any:
        """What this worker did since it started."""
        return self.wired.handlers.figures()


HOSTED = Hosted(HashingService, HashingSettings)
