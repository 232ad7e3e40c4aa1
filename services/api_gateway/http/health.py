"""Health: is this process alive, is the instance ready, what waits where."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from flask import Blueprint, Response, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.describing import described
from services.api_gateway.outside import Outside
from shared.contracts.admin.instance import Health, Readiness, Status
from shared.contracts.rpc import ANSWERS
from shared.core.errors import OdstError
from shared.runtime.bus import topology

_PATIENCE_SECONDS = 2.0


def ask_all(outside: Outside) -> dict[str, dict[str, Any]]:
    """Every service's figures, with its state: `up`, or why not. Asked side by side."""

    def ask(service: str) -> dict[str, Any]:
        try:
            figures = outside.services.call(service, "figures", _timeout_seconds=_PATIENCE_SECONDS)
        except OdstError as error:
            return {"state": error.code, "reason": error.message}
        return {"state": "up", **figures}

    with ThreadPoolExecutor(len(ANSWERS)) as pool:
        return dict(zip(ANSWERS, pool.map(ask, ANSWERS), strict=True))


def queue_depths(outside: Outside) -> list[dict[str, Any]]:
    """Messages ready and consumers of every event queue, and of the dead letters."""
    names = [queue.name for queue in topology.all_event_queues()] + [topology.DEAD_LETTER_QUEUE.name]
    depths = outside.dead_letters.depths(names)
    return [{"name": name, "ready": ready, "consumers": consumers} for name, (ready, consumers) in depths.items()]


def product_version() -> str:
    """The version of this installation."""
    try:
        return version("odst")
    except PackageNotFoundError:
        return "0"


def doors(outside: Outside, guard: Guard) -> Blueprint:
    """`/healthz`, `/readyz`, `/api/v1/status`."""
    site = Blueprint("health", __name__)

    @site.get("/healthz")
    @described(answers={200: Health})
    def healthz() -> Response:
        """Say that this process answers."""
        return jsonify({"status": "alive"})

    @site.get("/readyz")
    @described(answers={200: Readiness, 503: Readiness})
    def readyz() -> tuple[Response, int]:
        """Say whether broker, services and disk are usable."""
        faults = {name: answer["state"] for name, answer in ask_all(outside).items() if answer["state"] != "up"}
        if not outside.store.free_bytes():
            faults["disk"] = "INSUFFICIENT_SPACE"
        return jsonify({"status": "not ready" if faults else "ready", "faults": faults}), 503 if faults else 200

    @site.get("/api/v1/status")
    @guard.requires("view")
    @described(answers={200: Status})
    def status() -> Response:
        """Say what is waiting, and where."""
        queues = queue_depths(outside)
        letters = next((queue["ready"] for queue in queues if queue["name"] == topology.DEAD_LETTER_QUEUE.name), 0)
        instance = {
            "instance_id": str(outside.key.instance_id),
            "instance_id_grouped": outside.key.instance_id.grouped(),
            "name": outside.settings.instance_name,
            "public_url": outside.settings.public_url,
            "version": product_version(),
        }
        free = outside.store.free_bytes()
        return jsonify({"instance": instance, "services": ask_all(outside), "queues": queues, "dead_letters": letters, "free_bytes": free})

    return site
