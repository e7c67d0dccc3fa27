"""Launch the jobs in this process, with a line of progress and the findings of the checks at the end."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from rich.progress import TaskID

from orion_assets.cli.home import make_home
from orion_assets.cli.launch import Finding, Launch, Outcome, merged
from orion_assets.cli.live import Board, Tally, board
from orion_assets.definitions import build_definitions
from orion_assets.defs.event_log import forgetful_instance
from orion_assets.defs.keeping import RANGE, histories
from orion_assets.defs.partitions import TICKERS_AXIS
from orion_assets.market_hours import sessions_for
from orion_assets.settings import Settings, export_dagster_home


def instance(settings: Settings) -> AbstractContextManager[DagsterInstance]:
    """Give the instance of DAGSTER_HOME, which may be `.dagster` here, else one that is forgotten with the process."""
    if settings.dagster_home is None:
        return forgetful_instance()
    home = make_home(settings.dagster_home)
    export_dagster_home(home)
    return DagsterInstance.from_config(str(home))


def execute(settings: Settings, launch: Launch, on: DagsterInstance, *, show: bool = True) -> Outcome:
    """Run a job over a range of sessions in this process.

    Args:
        settings: The deployment.
        launch: Which job, range, instant and assets.
        on: The instance that records it.
        show: Whether to draw progress on stderr.
    """
    with board(show=show) as (bars, tally):
        task = bars.add_task("starting", total=launch.steps, job=launch.job)
        console = _console(_Steps(bars, task, tally))
        job = build_definitions(settings, loggers={"console": console}).resolve_job_def(launch.job)
        result = job.execute_in_process(
            instance=on,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in launch.assets] or None,
            tags=_tags(launch),
            run_config={**launch.run_config(), "loggers": {"console": {}}},
        )
    return _outcome(result)


def write_history(settings: Settings, tickers: Sequence[str], on: DagsterInstance, *, show: bool = True) -> Outcome:
    """Run the job `history` for some tickers, those that stand together in the instance in one run.

    Args:
        settings: The deployment.
        tickers: Whose files to write; each becomes a partition where it is none yet.
        on: The instance that records it.
        show: Whether to draw progress on stderr.
    """
    known = on.get_dynamic_partitions(TICKERS_AXIS)
    on.add_dynamic_partitions(TICKERS_AXIS, sorted(set(tickers) - set(known)))
    keys = on.get_dynamic_partitions(TICKERS_AXIS)
    return merged([execute(settings, Launch("history", keys=run), on, show=show) for run in histories(keys, tickers)])


def _tags(launch: Launch) -> dict[str, str]:
    if launch.keys is not None:
        first, last = launch.keys
    elif launch.start is None or launch.end is None:
        return {}
    else:
        days = sessions_for(launch.job, launch.start, launch.end)["session"].to_list()
        first, last = days[0].isoformat(), days[-1].isoformat()
    return dict(zip(RANGE, (first, last), strict=True))


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    outcome = Outcome(is_done=result.success)
    for event in result.all_events:
        if event.is_failure and not outcome.failure:
            outcome.failure = _reason(event)
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                outcome.findings.append(_finding(check))
        if event.is_step_materialization:
            _count(outcome, event.materialization)
    return outcome


def _count(outcome: Outcome, made: dg.AssetMaterialization) -> None:
    name = made.asset_key.path[-1]
    # A publication counts the rows of each table
    counts: list[Any] = [
        value.value for key, value in made.metadata.items() if key == "dagster/row_count" or key.startswith("rows_")
    ]
    outcome.rows[name] = sum(map(int, counts))
    outcome.changed_raw |= name.startswith("raw_") and outcome.rows[name] > 0


def _reason(event: dg.DagsterEvent) -> str:
    error: Any = getattr(event.event_specific_data, "error", None)
    # Dagster wraps the error of an asset; the innermost says what to do
    while error is not None and error.cause is not None:
        error = error.cause
    text = error.message.strip() if error is not None else event.message or "unknown"
    subject = f"{event.step_key}: " if event.step_key else ""
    said = text.partition(": ")[2] or text
    return said if said.startswith(subject) else subject + said


def _finding(check: dg.AssetCheckEvaluation) -> Finding:
    metadata: Mapping[str, Any] = check.metadata
    rows = (
        int(metadata["rows"].value)
        if "rows" in metadata
        else len(metadata.get("not_yet", dg.JsonMetadataValue([])).value)
    )
    accused = tuple(record.data for record in metadata["accused"].records) if "accused" in metadata else ()
    return Finding(check.asset_key.path[-1], check.check_name, rows, accused)


class _Steps(logging.Handler):
    """Moves a bar when Dagster says that a step ended; takes the place of Dagster's lines on the console."""

    def __init__(self, bars: Board, task: TaskID, tally: Tally) -> None:
        super().__init__(logging.DEBUG)
        self._bars = bars
        self._task = task
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        """Note who is at work, and advance at the end of a step."""
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if not isinstance(event, dg.DagsterEvent) or event.step_key is None:
            return
        if event.event_type is dg.DagsterEventType.STEP_START:
            self._tally.workers[event.step_key] = None
        elif event.event_type in _STEP_ENDS:
            self._tally.workers.pop(event.step_key, None)
            self._bars.update(self._task, advance=1, description=event.step_key)


_STEP_ENDS = (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE)


def _console(handler: logging.Handler) -> dg.LoggerDefinition:
    def make(_: dg.InitLoggerContext) -> logging.Logger:
        lines = logging.getLogger("orion_run")
        lines.setLevel(logging.DEBUG)
        lines.propagate = False
        lines.handlers[:] = [handler]
        return lines

    return dg.LoggerDefinition(make, description="Progress in place of log lines")
