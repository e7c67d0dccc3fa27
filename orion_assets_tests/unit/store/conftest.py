from orion_assets_tests.postgres_server import database, postgres  # noqa: F401
