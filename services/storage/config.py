"""Settings of the storage service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.runtime.settings import Settings


class StorageSettings(Settings):
    """What the storage service reads from the configuration."""

    upload_idle_seconds: Annotated[float, Field(gt=0)] = 3600
    """An upload that brought no byte for so long is given up; its bytes are removed."""
