"""Pure functions from frame to frame; no I/O, no clock, no settings, no Dagster."""
