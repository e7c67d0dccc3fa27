"""The synthetic market: a seeded exchange that never was, with everything that goes wrong with real ones."""
