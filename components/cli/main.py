"""The command's entry point: the group, the root, and how errors are shown."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path

import click

from components.cli import audit, daily, data, gate, resident, story, upkeep
from components.cli.options import Context
from components.errors import RatchetError

EXIT_DEFECT = 1


@click.group(
    epilog="Start with `ratchet init`, then `ratchet run batch.jsonl`. "
    "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 waiting for a person, 4 corrupt.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("."),
    envvar="RATCHET_ROOT",
    show_envvar=True,
    help="The folder with params.yaml.  [default: here]",
)
@click.option("--debug", is_flag=True, help="Show tracebacks and the log.")
@click.version_option(package_name="ratchet")
@click.pass_context
def cli(context: click.Context, root: Path, debug: bool) -> None:
    """Keep a fine-tuned model current without ever letting it get worse.

    Labelled batches come in; each is validated, learned by a small adapter, examined against
    everything the model could do before, registered in MLflow, and promoted, held or
    refused. When an earlier task regresses later on, Ratchet goes back by itself.
    """
    _quiet_environment(debug)
    context.obj = Context(root, debug)


for module in (daily, resident, upkeep, data, gate, audit, story):
    module.register(cli)


def main() -> None:
    """Run the command; end with the exit code that the outcome has."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # texts may hold what no terminal can
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clean up first
    debug = "--debug" in sys.argv
    try:
        sys.exit(cli.main(prog_name="ratchet", standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo("Stopped. Run the same command again to go on.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except RatchetError as error:
        if debug:
            raise
        _say(error.code, error.message, error.remedy)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stdout = None  # whoever read it has gone, as `head` does
        sys.exit(EXIT_DEFECT)
    except OSError as error:
        if debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        _say(
            "system",
            f"{place}{error.strerror or error}.",
            "Nothing half-done is kept; mend it and run again.",
        )
        sys.exit(EXIT_DEFECT)
    except Exception as error:
        if debug:
            raise
        _say(
            "defect",
            f"{type(error).__name__}: {' '.join(str(error).split())[:500]}",
            "This is a defect of Ratchet: please report it with what `ratchet --debug` shows.",
        )
        sys.exit(EXIT_DEFECT)


def _say(code: str, message: str, remedy: str) -> None:
    click.echo(f"{click.style(f'error ({code}):', fg='red')} {message}\n{remedy}", err=True)


def _quiet_environment(debug: bool) -> None:
    """Set what the libraries read from the environment when they are imported.

    No telemetry (law 10), no chatter; whatever the user has set stays.
    """
    quiet = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_LOGGING_LEVEL": "DEBUG" if debug else "CRITICAL",
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
