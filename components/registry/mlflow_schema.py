"""Which definitions in a database are MLflow's own.

Concept: tables go by name, since their text depends on the MLflow that made the database and
on each that upgraded it. A trigger acts by itself, so it must stand word for word in one of
MLflow's migrations.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from components.sqlite_schema import Defined

_VERSION_TABLE = "alembic_version"


def is_mlflows(each: Defined) -> bool:
    """Tell whether MLflow made this: a table, an index of one, or a trigger."""
    if each.kind == "trigger":
        return each.sql in _migrations()
    return each.kind != "view" and each.table in known_tables()


@cache
def known_tables() -> frozenset[str]:
    """Return the names of all tables that the installed MLflow keeps."""
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  (they fill the metadata)
    from mlflow.store.db.base_sql_model import Base

    return frozenset([*Base.metadata.tables, _VERSION_TABLE])


@cache
def _migrations() -> str:
    import mlflow.store.db_migrations as migrations

    [place] = migrations.__path__
    files = sorted(Path(place).glob("versions/*.py"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
