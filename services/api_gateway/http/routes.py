"""How names stand in addresses."""

from __future__ import annotations

from werkzeug.routing import BaseConverter


class AnyName(BaseConverter):
    """`<name:…>`: the whole rest of the path, whatever it holds, so that the view can say what is wrong with it."""

    regex = "(?s:.+)"
    part_isolating = False
