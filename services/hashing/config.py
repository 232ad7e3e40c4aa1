"""Settings of the hashing service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.runtime.settings import Settings


class HashingSettings(Settings):
    """What the hashing service reads from the configuration."""

    hash_progress_seconds: Annotated[float, Field(gt=0)] = 0.5
    """How often a long digest pass says how far it is."""
