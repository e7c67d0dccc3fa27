"""Orion: ingest."""
