"""Prometheus metrics: this gateway's own, and what the services and the broker say when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from services.api_gateway.http.health import ask_all, queue_depths
from services.api_gateway.live.counts import Figures
from services.api_gateway.outside import Outside
from shared.core.alarms import AlarmKind, figure_of
from shared.core.errors import Forbidden, ServiceUnavailable

_METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
"""Others are counted together: a stranger who makes methods up must not make labels."""
_KINDS = {figure_of(kind): kind.value for kind in AlarmKind}
_REGISTRY = CollectorRegistry()
_REQUESTS = Counter("odst_http_requests", "Requests answered", ["method", "route", "status"], registry=_REGISTRY)
_SECONDS = Histogram(
    "odst_http_request_seconds",
    "Time until an answer began",
    ["route"],
    registry=_REGISTRY,
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600),
)


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request."""
    _REQUESTS.labels(method if method in _METHODS else "OTHER", route, str(status)).inc()
    _SECONDS.labels(route).observe(seconds)


class _Figures:
    """Asks when scraped."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def collect(self) -> Iterator[Any]:
        up = GaugeMetricFamily("odst_service_up", "1 if the service answers", labels=["service"])
        alarms = GaugeMetricFamily("odst_alarms", "Alarms that are raised", labels=["service", "kind"])
        families: list[Any] = [up, alarms]
        for service, answer in ask_all(self._outside).items():
            up.add_metric([service], float(answer["state"] == "up"))
            for figure, value in answer.items():
                if figure in _KINDS:
                    alarms.add_metric([service, _KINDS[figure]], value)
                elif isinstance(value, int | float):
                    families.append(GaugeMetricFamily(f"odst_{service}_{figure}", f"{figure} as {service} says", value=value))
        yield from families
        yield GaugeMetricFamily("odst_free_bytes", "Usable space on the data disk", value=self._outside.store.free_bytes())
        yield from self._queues()
        yield from _live(self._outside.live.figures())

    def _queues(self) -> Iterator[Any]:
        ready = GaugeMetricFamily("odst_queue_messages_ready", "Messages that wait", labels=["queue"])
        consumers = GaugeMetricFamily("odst_queue_consumers", "Workers on the queue", labels=["queue"])
        broker = GaugeMetricFamily("odst_broker_up", "1 if the broker answers")
        try:
            depths = queue_depths(self._outside)
        except ServiceUnavailable:
            depths = []
        broker.add_metric([], float(bool(depths)))
        for depth in depths:
            ready.add_metric([depth["name"]], depth["ready"])
            consumers.add_metric([depth["name"]], depth["consumers"])
        yield from (ready, consumers, broker)


def _live(now: Figures) -> Iterator[Any]:
    yield GaugeMetricFamily("odst_live_readers", "Streams of live events that are open", value=now.readers)
    yield GaugeMetricFamily("odst_live_listening", "1 if this gateway hears the broker", value=float(now.listening))
    yield GaugeMetricFamily("odst_live_waiting_bytes", "On their way to readers that do not take them yet", value=now.waiting_bytes)
    yield GaugeMetricFamily("odst_live_behind_events", "Not yet told to the reader furthest behind", value=now.behind_events)
    yield _counted("odst_live_readers_refused", "Streams refused at a limit", "code", now.counts.refused)
    yield _counted("odst_live_readers_ended", "Streams that ended", "reason", now.counts.ended)
    yield CounterMetricFamily("odst_live_heard_events", "Events heard from the broker", value=now.counts.heard_events)
    yield CounterMetricFamily("odst_live_sent_events", "Events sent, once for each reader", value=now.counts.sent_events)
    yield CounterMetricFamily("odst_live_sent_bytes", "Bytes sent to readers", value=now.counts.sent_bytes)


def _counted(name: str, meaning: str, label: str, by_label: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, meaning, labels=[label])
    for value, count in sorted(dict(by_label).items()):
        family.add_metric([value], count)
    return family


def doors(outside: Outside) -> Blueprint:
    """`/metrics`, for the networks that may read it."""
    site = Blueprint("metrics", __name__)
    networks = [ip_network(network) for network in outside.settings.metrics_networks]

    @site.get("/metrics")
    def metrics() -> Response:
        caller = ip_address(request.remote_addr or "0.0.0.0")  # noqa: S104 - no address is in no network
        if not any(caller in network for network in networks):
            raise Forbidden("metrics are read from the networks in ODST_METRICS_NETWORKS only")
        scrape = CollectorRegistry()
        scrape.register(_Figures(outside))
        return Response(generate_latest(_REGISTRY) + generate_latest(scrape), content_type=CONTENT_TYPE_LATEST)

    return site
