"""The launcher's greeter: waits until the instance is ready, says once where it is, and shows the first-run credentials.

The directory service leaves them in `data/secrets/first-admin.json` at its very first start; the greeter prints and deletes
that file, so that they are shown once and stay nowhere.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from cli.launcher import DEFAULT_DATA, DEFAULT_LISTEN, Listen
from odst_client import CallFailed, Client, Patience
from shared.core.identity import InstanceId
from shared.core.layout import Layout
from shared.runtime.keys import InstanceKey

FIRST_ADMIN = "first-admin.json"
_POLL_SECONDS = 0.3
_PATIENCE_SECONDS = 60
_PATIENCE = Patience(connect_seconds=5, read_seconds=5, tries=1)


def wait_until_ready(url: str) -> None:
    """Until `/readyz` says 200. Says every minute what is missing."""
    told = time.monotonic()
    while (missing := what_is_missing(url)) is not None:
        if time.monotonic() - told > _PATIENCE_SECONDS:
            print(f"not ready yet: {missing}", file=sys.stderr, flush=True)
            told = time.monotonic()
        time.sleep(_POLL_SECONDS)


def what_is_missing(url: str) -> str | None:
    """Why the instance is not ready, in its own words; None if it is."""
    try:
        with Client(url, patience=_PATIENCE) as client:
            found = client.instance.readiness()
    except CallFailed as error:
        return f"nothing answers at {url}" if error.code == "UNREACHABLE" else str(error)
    return None if found.status == "ready" else found.model_dump_json()


def read_first_admin(data: Path) -> dict[str, str] | None:
    """The first administrator's user, password and token, if they were not shown yet."""
    try:
        found: dict[str, str] = json.loads((data / "secrets" / FIRST_ADMIN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def greeting(url: str, public_url: str, instance_id: InstanceId, first_admin: Mapping[str, str] | None) -> str:
    """What the operator reads when the instance is ready."""
    lines = ["", "ODST is ready.", f"  listens at   {url}", f"  public URL   {public_url}", f"  instance     {instance_id.grouped()}"]
    if first_admin:
        lines += [
            "",
            "  The first administrator; shown only now, so keep it:",
            f"  user         {first_admin.get('user', '')}",
            f"  password     {first_admin.get('password', '')}",
            f"  token        {first_admin.get('token', '')}",
        ]
    return "\n".join([*lines, ""])


def main() -> None:
    """`python -m cli.greeter`, started by the launcher with the instance's environment."""
    data = Path(os.environ.get("ODST_DATA", DEFAULT_DATA))
    url = Listen.parse(os.environ.get("ODST_LISTEN", DEFAULT_LISTEN)).url
    wait_until_ready(url)
    first_admin = read_first_admin(data)
    instance_id = InstanceKey.load_or_create(Layout(data)).instance_id
    print(greeting(url, os.environ.get("ODST_PUBLIC_URL", url), instance_id, first_admin), flush=True)
    (data / "secrets" / FIRST_ADMIN).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
