"""Orion: cli."""
