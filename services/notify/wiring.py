"""Puts the notify service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from pathlib import Path

from services.notify.adapters.deliveries import DatabaseDeliveries
from services.notify.adapters.guarded_http import Guard, GuardedHttp
from services.notify.adapters.schema import SUBSCRIPTIONS
from services.notify.adapters.subscriptions import DatabaseSubscriptions
from services.notify.config import NotifySettings
from services.notify.handlers import Delivering, NotifyHandlers
from shared.runtime import migrations
from shared.runtime.database import Database
from shared.runtime.loops import Loop
from shared.runtime.outbound import Limits, trusted_authorities
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault


@dataclass
class Notify:
    """The wired service."""

    handlers: NotifyHandlers
    delivering: Delivering
    secrets: SecretColumn
    database: Database
    loops: tuple[Loop, ...]

    def sweep(self) -> None:
        """Forget what ended long ago, and encrypt secrets anew if there is a newer key."""
        self.delivering.prune()
        self.secrets.renew(self.database)

    def figures(self) -> dict[str, int]:
        """Counts for metrics and status."""
        return {**self.handlers.figures(), **self.secrets.figures(self.database)}

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def build(settings: NotifySettings) -> Notify:
    """The notify service as configured."""
    database = Database(settings.database_url_for("notify"))
    migrations.upgrade(database, Path(__file__).parent / "migrations")
    secrets = SecretColumn(Vault.load_or_create(settings.vault_keys), "notify", SUBSCRIPTIONS.c.encrypted_secret)
    secrets.renew(database)
    deliveries, web = DatabaseDeliveries(database, secrets), _web(settings)
    delivering = Delivering(deliveries, web, _now, random.random, dt.timedelta(days=settings.delivery_kept_days))
    loop = Loop("notify.deliveries", delivering.deliver_one, settings.webhook_poll_seconds, settings.webhook_parallel)
    handlers = NotifyHandlers(DatabaseSubscriptions(database, secrets), deliveries, web, loop.ring, settings.instance_name, _now)
    return Notify(handlers, delivering, secrets, database, (loop,))


def _web(settings: NotifySettings) -> GuardedHttp:
    limits = Limits(settings.webhook_connect_seconds, settings.webhook_total_seconds)
    return GuardedHttp(Guard(settings.webhook_allowed_networks), limits, trusted_authorities(settings.webhook_ca_file))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
