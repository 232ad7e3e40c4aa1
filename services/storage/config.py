"""Settings of the storage service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from services.storage.domain.settling import GonePolicy
from shared.runtime.settings import COMMA_SEPARATED, Settings, TagText, known_stages


class StorageSettings(Settings):
    """What the storage service reads from the configuration."""

    upload_idle_seconds: Annotated[float, Field(gt=0)] = 3600
    """An upload that brought no byte for so long is given up; its bytes are removed."""
    upload_expires_seconds: Annotated[float, Field(ge=1)] = 7 * 24 * 3600
    """The same, for an upload that can be resumed."""
    approval_stages: Annotated[tuple[TagText, ...], COMMA_SEPARATED] = ()
    """Stages to which a package is promoted only after a second person approved."""
    superseded_kept: Annotated[int, Field(ge=0, le=1000)] = 3
    """How many superseded packages of a name keep their bytes here."""
    trash_seconds: Annotated[float, Field(ge=0)] = 30 * 24 * 3600
    """How long the bytes of a deleted package can be brought back."""
    gone_policy: GonePolicy = GonePolicy.HIDE
    """What becomes of a package that is no longer for this instance: `keep`, `hide` or `remove` its bytes."""
    wanted_at_once: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Packages that replication is told to fetch at a time."""
    charter_seconds: Annotated[float, Field(ge=1)] = 6 * 3600
    """How often the charter is issued anew; an instance that leaves out three counts as away. The same at all instances."""

    disk_low_mib: Annotated[int, Field(ge=0)] = 5120
    """Less usable space in MiB than this on the data disk, above the floor, is an alarm; 0: never."""

    _guarded_are_stages = field_validator("approval_stages", mode="after")(known_stages)
