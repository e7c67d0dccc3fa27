"""Point-in-time market features: the public API is `open_store`."""
