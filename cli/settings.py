"""All settings of an instance that is started here, seen from outside its services."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from shared.runtime.settings import ConfigurationError, Settings

NAMEKO_SERVICES = ("directory", "storage", "hashing", "replication", "notify")
SERVICES = (*NAMEKO_SERVICES, "api_gateway")


def settings_classes() -> dict[str, type[Settings]]:
    """Each service's settings class, by the service's name."""
    found: dict[str, type[Settings]] = {}
    for service in SERVICES:
        module = import_module(f"services.{service}.config")
        found[service] = getattr(module, "".join(part.capitalize() for part in service.split("_")) + "Settings")
    return found


def check_configuration(environment: Mapping[str, str]) -> None:
    """See whether every service could read its settings.

    Raises:
        ConfigurationError: naming the faults of all services at once.
    """
    faults: dict[str, None] = {}
    for model in settings_classes().values():
        try:
            model.load(environment)
        except ConfigurationError as error:
            faults.update(dict.fromkeys(str(error).splitlines()))
    if faults:
        raise ConfigurationError("\n".join(faults))
