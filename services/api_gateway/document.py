"""`python -m services.api_gateway.document [--check]`: writes docs/admin-api.openapi.json, or says whether it is as the doors have it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from services.api_gateway.app import create_app
from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.openapi import document

FILE = Path(__file__).parents[2] / "docs" / "admin-api.openapi.json"


def made() -> str:
    """The document of a gateway with default settings, as it is committed."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(ApiGatewaySettings(amqp_uri="amqp://nobody:nothing@127.0.0.1:1/", data=Path(folder)))
        return json.dumps(document(app), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write it, or compare."""
    text = made()
    if "--check" in arguments:
        if FILE.exists() and FILE.read_text("utf-8") == text:
            return 0
        sys.stderr.write(f"{FILE.name} is not what the doors say; run `make schemas`, and look at the difference\n")
        return 1
    FILE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
