"""Templates in a database."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from services.notify.adapters.schema import TEMPLATES
from services.notify.domain.templates import Template
from shared.core.times import to_text, to_time
from shared.runtime.database import Database


class DatabaseTemplates:
    """`Templates` by SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def find(self, kind: str) -> Template | None:
        """That of a kind."""
        with self._database.read() as connection:
            row = connection.execute(select(TEMPLATES).where(TEMPLATES.c.kind == kind)).first()
        return Template(row.kind, row.source, to_time(row.changed), row.changed_by) if row else None

    def put(self, template: Template) -> None:
        """Keep one, instead of what there is."""
        row = {"kind": template.kind, "source": template.source, "changed": to_text(template.changed), "changed_by": template.changed_by}
        with self._database.write(alone=True) as connection:
            connection.execute(delete(TEMPLATES).where(TEMPLATES.c.kind == template.kind))
            connection.execute(insert(TEMPLATES).values(row))

    def remove(self, kind: str) -> None:
        """Forget that of a kind."""
        with self._database.write() as connection:
            connection.execute(delete(TEMPLATES).where(TEMPLATES.c.kind == kind))
