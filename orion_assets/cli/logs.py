"""How log lines look at the edge: on stderr, for people or as JSON. Elsewhere `logging` is used bare."""

import logging
import sys

import structlog

from orion_assets.settings import Settings


def configure(settings: Settings) -> None:
    """Format the lines of Orion's loggers and set their level.

    Dagster's own lines stay with the run; on the command line progress and findings stand in for them.
    """
    is_json = settings.log_format == "json"
    stamps = structlog.processors.TimeStamper(fmt="iso", utc=True)
    # The renderer's own tracebacks show local variables, and with them a database's password
    for_people = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    renderer = structlog.processors.JSONRenderer() if is_json else for_people
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, stamps],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    orion = logging.getLogger("orion_assets")
    orion.handlers[:] = [handler]
    # INFO is the run's log; at a terminal it would bury the progress bar. Dagster sets the logger's level anew
    level = settings.log_level if is_json or settings.log_level != "INFO" else "WARNING"
    handler.setLevel(level)
    orion.setLevel(level)
    logging.getLogger("dagster").setLevel(logging.DEBUG)
