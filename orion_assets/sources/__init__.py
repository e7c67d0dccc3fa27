"""Orion: sources."""
