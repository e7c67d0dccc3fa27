"""Orion: defs."""
