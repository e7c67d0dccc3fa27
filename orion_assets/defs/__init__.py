"""The only Dagster code: wiring. What is computed stands in transforms, what is fetched in ingest."""
