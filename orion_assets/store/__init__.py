"""Orion: store."""
