"""The assets, a module a layer; each is a function of the table's name."""
