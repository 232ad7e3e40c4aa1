"""The Admin API but uploads and dead letters: all parts in `admin_….py`. See `docs/admin-api.md`."""

from __future__ import annotations

from flask import Blueprint

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import (
    admin_alarms,
    admin_audit,
    admin_directory,
    admin_jamf,
    admin_mesh,
    admin_oidc,
    admin_packages,
    admin_peers,
    admin_people,
    admin_sessions,
    admin_settings,
    admin_staging,
    admin_subscriptions,
    admin_templates,
    admin_transfers,
)
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.cookies import LoginCookie, SessionCookie
from services.api_gateway.ports import Services


def doors(services: Services, settings: ApiGatewaySettings, guard: Guard, cookie: SessionCookie) -> Blueprint:
    """All of them."""
    api = Blueprint("admin", __name__, url_prefix="/api/v1")
    api.register_blueprint(admin_packages.doors(services, settings, guard))
    api.register_blueprint(admin_staging.doors(services, guard))
    api.register_blueprint(admin_peers.doors(services, guard))
    api.register_blueprint(admin_transfers.doors(services, guard))
    api.register_blueprint(admin_mesh.doors(services, settings, guard))
    api.register_blueprint(admin_alarms.doors(services, guard))
    api.register_blueprint(admin_audit.doors(services, guard))
    api.register_blueprint(admin_directory.doors(services, guard))
    api.register_blueprint(admin_people.doors(services, guard))
    api.register_blueprint(admin_settings.doors(services, settings, guard))
    api.register_blueprint(admin_sessions.doors(services, guard, cookie))
    api.register_blueprint(admin_oidc.doors(services, cookie, LoginCookie(settings.public_url)))
    api.register_blueprint(admin_subscriptions.doors(services, guard))
    api.register_blueprint(admin_templates.doors(services, guard))
    api.register_blueprint(admin_jamf.doors(services, guard))
    return api
