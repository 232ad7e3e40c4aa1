"""The Flask application: which doors there are, and what all of them have in common."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from flask import Flask, Response, g, request
from flask.json.provider import DefaultJSONProvider

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import (
    admin,
    admin_events,
    auth,
    dead_letters,
    downloads,
    headers,
    health,
    keyed,
    limits,
    metrics,
    openapi,
    peers,
    problems,
    routes,
    tus,
    uploads,
)
from services.api_gateway.http.acts import Acts
from services.api_gateway.http.addresses import Addresses
from services.api_gateway.http.cookies import SessionCookie
from services.api_gateway.live.live import Live
from services.api_gateway.outside import Outside
from shared.runtime.bus.dead_letters import DeadLetters
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import InstanceKey
from shared.runtime.logging import CORRELATION_HEADER, bind_correlation_id, correlation_id, get_logger
from shared.runtime.spooling import SpoolingDispatcher

log = get_logger(__name__)
_QUIET = ("/healthz", "/readyz", "/metrics")


def create_app(settings: ApiGatewaySettings) -> Flask:
    """The gateway as configured. Opens no connection yet."""
    services = RpcClient(settings.amqp_uri, timeout_seconds=settings.rpc_timeout_seconds)
    return assemble(
        Outside(
            settings,
            services,
            FilesystemByteStore(settings.layout, free_floor_bytes=settings.free_space_floor_mib << 20),
            InstanceKey.load_or_create(settings.layout),
            DeadLetters(settings.amqp_uri, settings.broker_timeout_seconds),
            SpoolingDispatcher(settings.bus.publisher("api_gateway"), settings.layout.unsaid),
            Live(settings, services),
        )
    )


def assemble(outside: Outside) -> Flask:
    """All doors, on the given outside."""
    app = Flask("odst", static_folder=None)
    app.json = DefaultJSONProvider(app)
    # Documents keep the order in which services wrote them: for whoever reads them.
    app.json.sort_keys = False
    app.url_map.merge_slashes = False
    app.url_map.converters["name"] = routes.AnyName
    problems.install(app)
    app.before_request(_begin(Addresses(outside.settings.trusted_proxies)))
    app.after_request(_end(outside.settings.public_url))
    _write_down_acts(app, outside)
    cookie = SessionCookie(outside.settings.public_url)
    limits.install(app, outside.settings, cookie)
    keyed.install(app, outside.services)
    guard = auth.Guard(outside.services, cookie)
    app.register_blueprint(uploads.doors(outside.services, outside.store, guard))
    app.register_blueprint(tus.doors(outside.services, outside.store, outside.settings, guard))
    app.register_blueprint(admin.doors(outside.services, outside.settings, guard, cookie))
    app.extensions["odst_live"] = outside.live
    app.register_blueprint(admin_events.doors(outside.live, guard))
    app.register_blueprint(dead_letters.doors(outside.dead_letters, guard))
    app.register_blueprint(downloads.doors(outside.services, outside.store, outside.settings))
    app.register_blueprint(peers.doors(outside.services, outside.store, outside.key, outside.settings))
    app.register_blueprint(health.doors(outside, guard))
    app.register_blueprint(metrics.doors(outside))
    app.register_blueprint(openapi.doors())
    return app


def _write_down_acts(app: Flask, outside: Outside) -> None:
    acts = Acts(outside.events.dispatch, time.monotonic)
    app.extensions["odst_acts"] = acts

    @app.after_request
    def note(response: Response) -> Response:
        acts.note(response)
        return response


def _begin(addresses: Addresses) -> Callable[[], None]:
    def begin() -> None:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(process="api_gateway")
        bind_correlation_id(request.headers.get(CORRELATION_HEADER))
        g.began = time.monotonic()
        g.address = addresses.of(request)

    return begin


def _end(public_url: str) -> Callable[[Response], Response]:
    def end(response: Response) -> Response:
        response.headers[CORRELATION_HEADER] = correlation_id()
        headers.secure(response, public_url)
        _observe(response)
        return response

    return end


def _observe(response: Response) -> None:
    seconds = time.monotonic() - g.get("began", time.monotonic())
    metrics.observe(request.method, request.url_rule.rule if request.url_rule else "none", response.status_code, seconds)
    if request.path not in _QUIET:
        log.info("request_served", method=request.method, path=request.path[:300], status=response.status_code, seconds=round(seconds, 4))
