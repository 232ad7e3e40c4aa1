"""Alembic's entry into this service's migrations."""

from shared.runtime import migrations

migrations.run_in_env()
