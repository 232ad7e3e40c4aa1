"""Templates: how chats word events."""

from __future__ import annotations

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.templates import Preview, PreviewWish, Template, TemplateWish


class Templates(Group):
    """`client.templates`; `kind` is `slack` or `teams`."""

    @operation("GET", "/api/v1/templates/{kind}")
    def show(self, kind: str) -> Template:
        """Show the template of a kind of chat."""
        return self._read(self.show, Template, kind=kind)

    @operation("PUT", "/api/v1/templates/{kind}")
    def change(self, kind: str, source: str) -> Template:
        """Word events by this template, from the next message on.

        Raises:
            CallFailed: TEMPLATE_INVALID, with the line and the rule that it breaks.
        """
        return self._read(self.change, Template, wish(TemplateWish, source=source), kind=kind)

    @operation("DELETE", "/api/v1/templates/{kind}")
    def reset(self, kind: str) -> None:
        """Word events as built in again."""
        self._do(self.reset, kind=kind)

    @operation("POST", "/api/v1/templates/{kind}/preview")
    def preview(self, kind: str, event_type: str, source: str | None = None) -> Preview:
        """Say what would be sent of the example of an event, by `source` or by the template in use."""
        return self._read(self.preview, Preview, wish(PreviewWish, event_type=event_type, source=source), kind=kind)
