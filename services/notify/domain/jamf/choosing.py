"""Which record of Jamf Pro a package here has, if any."""

from __future__ import annotations

from collections.abc import Sequence

from services.notify.domain.jamf.records import PackageRecord
from shared.core.errors import Conflict


def chosen(by_file: Sequence[PackageRecord], by_name: Sequence[PackageRecord], file_name: str) -> PackageRecord | None:
    """The record of this file; none, if one may be made.

    Raises:
        Conflict: JAMF_RECORD_AMBIGUOUS, if several have the file; JAMF_NAME_TAKEN, if a new one's name is that of another file.
    """
    if len(by_file) > 1:
        ids = ", ".join(one.record_id for one in by_file)
        raise Conflict(f"Jamf Pro has several records of the file {file_name!r} ({ids}): delete all but one", "JAMF_RECORD_AMBIGUOUS")
    if by_file:
        return by_file[0]
    if by_name:
        other = by_name[0]
        raise Conflict(
            f"Jamf Pro has the name {file_name!r} for another file ({other.file_name!r}, record {other.record_id}): "
            "it is left as it is; give that record another name, or its own file's",
            "JAMF_NAME_TAKEN",
        )
    return None
