"""What MLflow shows of a version, what it should show, and where the two differ.

Concept: `Shown` is one version as plain values, whether read from MLflow (`shown`) or told
by the ledger (`expected_shown`); `differences` says in words where they part. A field that
is None is "not looked at": the ledger of an older Ratchet does not say it.

Promise: nothing here writes. Tags that people add, and their own metrics, params and tags
of a run, are no difference: `added_by_people` lists them.

Use:
    found = registry.shown().get(7)
    for words in differences(expected, found): ...
    for name, what in file_differences(folder, listing).items(): ...  # missing, changed, extra
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.files import FileMark, mark_of
from components.registry.packaging import MODEL
from components.registry.submission import dataset_profile, dataset_source, page

OWN = "ratchet."
"""Tags that begin with this are Ratchet's; all others are left to people."""

OUTCOME, ACCURACY, VERSION, NOTE = "outcome", "accuracy", "version", "mlflow.note.content"
"""Ratchet's tags for people, named so that they stand before all digests in MLflow's lists. The
note is what MLflow shows as a run's description."""

RUN_NAME = "mlflow.runName"
"""MLflow keeps a run's name twice: in its row, and as this tag."""

STATUS = f"{OWN}status"
"""What the ledger calls a version now."""

HIDING = "mlflow.prompt.is_prompt"
"""MLflow takes what carries this tag for a prompt, and shows it among no models."""

NO_STAGE = "None"
"""MLflow's word for no stage. Stages are MLflow's older aliases; Ratchet sets none."""

BARRED = "BARRED, rolled back"

_WAY = "[The report]("
"""How the paragraph begins that leads from a version's description to its report."""

_LOADED = f"{MODEL}/registered_model_meta"
"""MLflow writes the model's name and version there whenever a version is loaded."""


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of a version for people: what became of it, why it is barred, how good it is.

    `report` is the address of MLflow's page of its report. `accuracy` is a line, `note` the page
    of its run; None where the ledger can't tell.
    """

    outcome: str
    report: str
    why_barred: str = ""
    accuracy: str | None = None
    note: str | None = None

    def of_version(self) -> dict[str, str]:
        """Return the tags of the version."""
        return _told({ACCURACY: self.accuracy, OUTCOME: self.outcome})

    def of_run(self, version: int) -> dict[str, str]:
        """Return the tags of its run, which MLflow offers as columns."""
        return self.of_version() | _told({VERSION: str(version), NOTE: self.note})

    def description(self, headline: str, body: str) -> str:
        """Return the version's description."""
        return described(self._first_line(headline), self.report, body)

    def _first_line(self, headline: str) -> str:
        if self.outcome != "barred":
            return headline
        why = f": {self.why_barred.rstrip('.')}. " if self.why_barred else ". "
        return f"{BARRED}{why}{headline}"

    def run_name(self, name: str) -> str:
        """Return what MLflow's list of runs calls it: it has room for some twenty letters."""
        short = re.sub(r"\.(jsonl|ndjson|csv|parquet)$", "", name)
        return f"{short} · {self.outcome}"


@dataclass(frozen=True, slots=True)
class RunShown:
    """The run of a version. `metrics`: every value logged, the oldest first; `latest`: the last.

    `experiment` is its name; `stage` is "active" or "deleted"; `datasets` are (name, digest,
    source, profile).
    """

    run_id: str
    experiment: str | None
    artifacts: str
    status: str = "FINISHED"
    stage: str = "active"
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] | None = None
    metrics: Mapping[str, tuple[float, ...]] | None = None
    latest: Mapping[str, float] | None = None
    datasets: tuple[tuple[str, str, str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One version as MLflow shows it. `run` is None where there is no such run.

    `source` is where people see that the model lies, `storage` where it is loaded from.
    """

    version: int
    run_id: str
    source: str
    storage: str
    run: RunShown | None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    status: str = "READY"
    stage: str = NO_STAGE


@dataclass(frozen=True, slots=True)
class Said:
    """What a decision changes of what MLflow shows: tags, a description, the run's name."""

    version: int
    run_id: str
    description: str
    tags: Mapping[str, str]
    run_tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Glance:
    """What every command looks at: aliases, the highest number, and what the champion serves.

    `serves` is (run, source, storage) of the row of the ledger's champion; None without one.
    """

    aliases: Mapping[str, int]
    newest: int | None
    serves: tuple[str, str, str] | None


def expected_shown(
    submission: Mapping[str, Any],
    *,
    version: int,
    run_id: str,
    status: str,
    artifacts: str,
    marks: Mapping[str, str],
    words: Words | None = None,
) -> Shown:
    """Return what MLflow is to show of a version of the ledger.

    Args:
        submission: `Submission.document()`; what it lacks is not looked at.
        version: its number in the ledger.
        run_id: its run in the ledger.
        status: its status in the ledger.
        artifacts: the address of the root's artifacts; a run's lie in `<run>/artifacts`.
        marks: further tags of the version, those of its file listing.
        words: what is said for people; None for what an older Ratchet said.
    """
    place = f"{artifacts}/{run_id}/artifacts"
    tags = dict(submission["tags"])
    whole = "metrics" in submission
    metrics = submission["metrics"] if whole else None
    headline, name = submission.get("headline", ""), submission.get("run_name")
    description = page(headline, submission["description"]) if whole else None
    of_run, of_version = dict[str, str](), dict[str, str]()
    if words is not None:
        of_run, of_version = words.of_run(version), words.of_version()
        name = None if name is None else words.run_name(name)
        if whole:
            description = words.description(headline, submission["description"])
    elif status == "barred" and whole:
        description = page(f"{BARRED}. {headline}", submission["description"])
    run = RunShown(
        run_id,
        submission.get("experiment"),
        place,
        name=name,
        tags={**of_run, **tags},
        params=submission.get("params"),
        metrics=None if metrics is None else {key: (value,) for key, value in metrics.items()},
        latest=metrics,
        datasets=_datasets(submission["dataset"]) if whole else None,
    )
    return Shown(
        version,
        run_id,
        f"{place}/{MODEL}",
        f"{place}/{MODEL}",
        run,
        description,
        {**of_version, **tags, **marks, STATUS: status},
    )


def way_to(report: str) -> str:
    """Return the sentence that leads to a report, in Markdown."""
    return f"{_WAY}{report}) shows why, with charts."


def described(headline: str, report: str, body: str) -> str:
    """Return a version's description: what became of it, the way to its report, and details."""
    return page(headline, f"{way_to(report)}\n\n{body}".rstrip())


def body_of(description: str) -> str:
    """Return what a description says after its first line and the way to the report."""
    body = description.partition("\n")[2].strip("\n")
    return body.partition("\n\n")[2] if body.startswith(_WAY) else body


def is_own(key: str) -> bool:
    """Tell whether a tag of this name is Ratchet's, and not somebody's."""
    return key.startswith(OWN) or key in (OUTCOME, ACCURACY, VERSION, NOTE)


def _told(tags: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if value is not None}


def _datasets(dataset: Mapping[str, Any] | None) -> tuple[tuple[str, str, str, str], ...]:
    if dataset is None:
        return ()
    source, profile = dataset_source(dataset), dataset_profile(dataset)
    return ((dataset["name"][:500], dataset["digest"][:36], source, profile),)


def differences(expected: Shown, found: Shown | None) -> list[str]:
    """Say where MLflow shows something else than expected, each line naming the place."""
    here = f"version {expected.version}"
    if found is None:
        return [f"{here} is missing in MLflow"]
    whole = expected.description is not None
    said = [
        _unlike(f"{here}: {what}", getattr(expected, what), getattr(found, what))
        for what in ("source", "storage", "status", "stage", "description")
    ]
    said += [_unlike(f"{here}: the run's id", expected.run_id, found.run_id)]
    said += _unlike_tags(f"{here}: tag", expected.tags, found.tags, whole)
    said += [f"{here}: tag {HIDING} hides it in MLflow"] if HIDING in found.tags else []
    assert expected.run is not None  # what is expected names its run
    return [*filter(None, said), *_run_differences(here, expected.run, found.run, whole)]


def _run_differences(
    here: str, expected: RunShown, found: RunShown | None, whole: bool
) -> list[str]:
    if found is None or found.run_id != expected.run_id:
        return [f"{here}: its run {expected.run_id} is missing in MLflow"]
    said = [
        _unlike(f"{here}: its run's {what}", getattr(expected, what), getattr(found, what))
        for what in ("experiment", "artifacts", "status", "stage", "name", "datasets")
    ]
    said += _unlike_tags(f"{here}: its run's tag", expected.tags, found.tags, whole)
    for what in ("params", "metrics", "latest"):
        wanted, have = getattr(expected, what), getattr(found, what)
        if wanted is not None and have is not None:
            place = "latest metric" if what == "latest" else what.removesuffix("s")
            said += _unlike_values(f"{here}: {place}", wanted, have)
    return [words for words in said if words]


def _unlike_tags(
    place: str, wanted: Mapping[str, str], found: Mapping[str, str], whole: bool
) -> list[str | None]:
    """Compare the tags that are Ratchet's; where all are known, one too many is told as well."""
    own = {key: value for key, value in found.items() if is_own(key)}
    asked = {key: value for key, value in wanted.items() if is_own(key)}
    more = (key for key in own.keys() - asked.keys() if key.startswith(OWN))
    surplus = sorted(more) if whole else []
    extra = [f"{place} {key} was not set by Ratchet" for key in surplus]
    return [*_unlike_values(place, asked, own), *extra]


def _unlike_values(
    place: str, wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> list[str | None]:
    return [_unlike(f"{place} {key}", wanted[key], found.get(key)) for key in sorted(wanted)]


def _unlike(place: str, wanted: object, found: object) -> str | None:
    """Say that one value differs; what is not looked at (None) never does."""
    if wanted is None or wanted == found:
        return None
    return f"{place} reads {_short(found)}, not {_short(wanted)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def added_by_people(expected: Shown, found: Shown) -> list[str]:
    """Name the tags, params and metrics beside Ratchet's own: they are left alone."""
    theirs = sorted(key for key in found.tags if not is_own(key) and key != HIDING)
    tags = [f"tag {key}" for key in theirs]
    for what in ("params", "metrics"):
        wanted, have = getattr(expected.run, what, None), getattr(found.run, what, None)
        if wanted is not None and have is not None:
            tags += [f"{what.removesuffix('s')} {key}" for key in sorted(set(have) - set(wanted))]
    return tags


def listing(folder: Path) -> dict[str, dict[str, Any]]:
    """Return {name: mark} of every file of Ratchet's below `folder`, as the ledger has it."""
    own = (name for name in sorted(_names(folder)) if name != _LOADED)
    return {name: mark_of(folder / name).to_json() for name in own}


def file_differences(
    folder: Path,
    wanted: Mapping[str, Mapping[str, Any]],
    quick: bool = False,
    complete: bool = True,
) -> dict[str, str]:
    """Return {name: "missing", "changed" or "extra"} of a run's files against its listing.

    Extra are only files in the model's folder, where code is loaded from: what else people
    add to a run is theirs. A link is a change, whatever it leads to; where MLflow writes
    at each load it is extra, for that would overwrite what it leads to. `quick` compares sizes.
    Where the listing is not `complete`, there are no other extra files.
    """
    found = set(_names(folder))
    said = {name: "missing" for name in wanted if name not in found}
    for name in sorted(found):
        if name == _LOADED:
            if _is_no_file(folder / name):
                said[name] = "extra"
        elif name not in wanted:
            if complete and name.startswith(f"{MODEL}/"):
                said[name] = "extra"
        elif not _holds(folder / name, wanted[name], quick):
            said[name] = "changed"
    return dict(sorted(said.items()))


def _holds(file: Path, mark: Mapping[str, Any], quick: bool) -> bool:
    if _is_no_file(file) or file.stat().st_size != mark["size"]:
        return False
    return quick or mark_of(file) == FileMark(mark["sha256"], mark["size"])


def _is_no_file(path: Path) -> bool:
    return path.is_symlink() or not path.is_file()


def _names(folder: Path) -> Iterator[str]:
    """Yield the names of all files, links and whatever else is no folder, below `folder`."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in [*files, *links]:
            yield (Path(place) / name).relative_to(folder).as_posix()
