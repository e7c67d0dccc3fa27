"""The command line, a module a command group; thin: it asks, prints and sets the exit code."""
