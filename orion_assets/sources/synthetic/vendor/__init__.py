"""The synthetic market's own vendor: Polygon's REST formats over real sockets, with a budget, a journal and faults."""
