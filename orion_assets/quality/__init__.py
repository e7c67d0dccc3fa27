"""Orion: quality."""
