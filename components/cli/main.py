"""Entry point of `ratchet`: the command group, the root folder and error output."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType

import click
from click.core import ParameterSource

from components.cli import (
    approval,
    audit,
    backups,
    bench,
    check,
    daily,
    data,
    demo,
    exams,
    gate,
    item,
    label,
    mistakes,
    person,
    pool,
    rollback,
    serving,
    status,
    stop_signals,
    tasks,
    up,
    upkeep,
    version_diff,
    worker,
)
from components.cli.options import Context, own_prefect_home
from components.cli.output import Styled, echo, echo_json
from components.errors import RatchetError
from components.shown_text import plain
from components.workspace.root import root_around

EXIT_DEFECT = 1
MESSAGE_CHARS = 4000


@click.group(
    epilog="Start with `ratchet init`, then `ratchet holdout add`, then `ratchet run`. "
    "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 waiting for a person, 4 corrupt.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("."),
    envvar="RATCHET_ROOT",
    show_envvar=True,
    help="Folder with params.yaml.  [default: the root that the current folder is in]",
)
@click.option("--debug", is_flag=True, help="Show tracebacks and logs.")
@click.version_option(package_name="ratchet")
@click.pass_context
def cli(context: click.Context, root: Path, debug: bool) -> None:
    """Keep a fine-tuned model up to date, and what it could do before, within a margin.

    Each labelled batch is validated and used to train a small adapter. The result is examined
    on everything the model could do before, registered in MLflow, and then promoted, held or
    rejected. If an earlier task regresses later, Ratchet rolls back automatically.
    """
    _quiet_environment(debug)
    named = context.get_parameter_source("root") is not ParameterSource.DEFAULT
    found = root if named else root_around(root)
    own_prefect_home(found)
    context.obj = Context(found, debug, new_root=root)


COMMANDS = (
    daily,
    status,
    check,
    serving,
    approval,
    up,
    worker,
    upkeep,
    rollback,
    backups,
    data,
    pool,
    label,
    person,
    tasks,
    exams,
    gate,
    mistakes,
    item,
    audit,
    version_diff,
    demo,
    bench,
)
for module in COMMANDS:
    module.register(cli)


def main() -> None:
    """Run the command and exit with the code for its outcome."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what UTF-8 cannot
    sys.excepthook = _show_traceback
    stop_signals.listen()
    try:
        code = cli.main(prog_name="ratchet", standalone_mode=False) or 0
    except BaseException as error:
        code = _ended(error, debug="--debug" in sys.argv)
    sys.exit(code)


def _ended(error: BaseException, debug: bool) -> int:
    """Print why the command ended early and return its exit code; `debug` shows the traceback."""
    asked = stop_signals.heard()
    if isinstance(error, SystemExit) and (asked is None or error.code != 128 + asked):
        return int(error.code or 0)  # the command had already finished
    if asked or isinstance(error, click.exceptions.Abort):
        echo("Stopped. Run the same command again to continue.", err=True)
        return 128 + (asked or signal.SIGINT)
    if isinstance(error, click.ClickException):
        _show_usage(error)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        sys.stdout = None  # whoever read it has gone, as `head` does
        return EXIT_DEFECT
    if debug or not isinstance(error, Exception):
        raise error
    return _explain(error)


def _explain(error: Exception) -> int:
    """Print one paragraph about an error and return its exit code."""
    if isinstance(error, RatchetError):
        _say(error.code, error.message, error.remedy)
        return error.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}."
        _say("system", message, "No partial work was kept; fix this and run the command again.")
        return EXIT_DEFECT
    _say(
        "defect",
        f"{type(error).__name__}: {' '.join(str(error).split())[:500]}",
        "This is a bug in Ratchet: please report it with the output of `ratchet --debug`.",
    )
    return EXIT_DEFECT


def _say(code: str, message: str, remedy: str) -> None:
    if len(message) > MESSAGE_CHARS:
        message = f"{message[:MESSAGE_CHARS]} ... (cut)."
    if "--json" in sys.argv:
        echo_json(
            {"error": {"code": code, "message": message, "remedy": remedy}}, indent=2, err=True
        )
    else:
        echo((Styled(f"error ({code}):", "red"), f" {message}"), remedy, err=True)


def _show_usage(error: click.ClickException) -> None:
    """Print click's usage error; its message may quote a file name."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        echo(*error.format_message().split("\n"))
        return
    if "--json" in sys.argv:
        _say("usage", error.format_message(), "--help says what the command takes.")
        return
    error.message = plain(error.message or "")  # type: ignore[misc]
    said = io.StringIO()
    error.show(file=said)
    echo(*said.getvalue().rstrip("\n").split("\n"), err=True)


def _show_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    lines = "".join(traceback.format_exception(kind, error, trace)).rstrip("\n").split("\n")
    echo(*lines, err=True)


def _quiet_environment(debug: bool) -> None:
    """Set the environment variables that libraries read when they are imported.

    No telemetry (law 10) and no log noise; values set by the user are kept.
    """
    quiet = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_LOGGING_LEVEL": "DEBUG" if debug else "CRITICAL",
        "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",  # shown by Prefect's pages
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "DEBUG" if debug else "CRITICAL",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    if not debug:
        import logging
        import warnings

        warnings.simplefilter("ignore")
        logging.getLogger().setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
