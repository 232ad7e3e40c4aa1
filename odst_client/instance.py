"""The instance itself: is it ready, what waits where, its key, and its API's own description."""

from __future__ import annotations

import requests

from odst_client.failures import refusal
from odst_client.operations import Group, operation, operation_of, read
from shared.contracts.admin.alarms import AlarmList
from shared.contracts.admin.instance import ApiDocument, Readiness, Status
from shared.contracts.admin.mesh import Rotation
from shared.contracts.admin.settings import SettingList


class ThisInstance(Group):
    """`client.instance`."""

    @operation("GET", "/readyz", once=True)
    def readiness(self) -> Readiness:
        """Say whether broker, services and disk are usable; no token is needed."""
        asked = operation_of(self.readiness)
        answer = self._transport.send(asked.method, asked.path, repeats=asked.repeats)
        # An instance that is not ready says what is missing, with 503.
        if answer.status_code not in (requests.codes.ok, requests.codes.service_unavailable):
            raise refusal(answer)
        return read(self._transport.url, Readiness, answer)

    @operation("GET", "/api/v1/status")
    def status(self) -> Status:
        """Say what is waiting, and where."""
        return self._read(self.status, Status)

    @operation("GET", "/api/v1/alarms")
    def alarms(self) -> AlarmList:
        """List what is the matter now, oldest first, and who did not say."""
        return self._read(self.alarms, AlarmList)

    @operation("GET", "/api/v1/settings")
    def settings(self) -> SettingList:
        """List what each service goes by since it was started, where it came from, and where services differ."""
        return self._read(self.settings, SettingList)

    @operation("POST", "/api/v1/instance/rotate-key", creates=True)
    def rotate_key(self) -> Rotation:
        """Replace the key of the instance, and with it its id; the peers are told."""
        return self._read(self.rotate_key, Rotation)

    @operation("GET", "/api/v1/openapi.json")
    def openapi(self) -> ApiDocument:
        """The OpenAPI 3.1 document of the API; no token is needed."""
        return self._read(self.openapi, ApiDocument)
