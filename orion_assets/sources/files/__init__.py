"""What the user owns, read as a mapping in TOML says: CSV, TSV, Parquet and JSON-lines to raw rows."""
