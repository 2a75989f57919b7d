"""The migrations make exactly the tables that the code declares."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from postgrad.registry import Catalogue, eval_tables, job_tables, key_tables, name_tables
from tests.postgres import fresh_database

TABLES = [row for module in (eval_tables, job_tables, key_tables, name_tables) for row in vars(module).values()]
OURS = {row.__tablename__ for row in TABLES if hasattr(row, "__tablename__")}


def differences(catalogue):
    with catalogue.engine.connect() as connection:
        lengths_count = connection.dialect.name != "sqlite"  # which keeps to no length, and so was not altered
        context = MigrationContext.configure(connection, opts={"compare_type": lengths_count})
        found = compare_metadata(context, job_tables.Base.metadata)
    catalogue.engine.dispose()
    return [d for d in found if isinstance(d, list) or getattr(d[1], "name", d[1]) in OURS | {None}]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_upgraded_database_has_the_declared_tables(kind, request):
    if kind == "sqlite":
        assert differences(Catalogue()) == []
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        assert differences(Catalogue(url)) == []
