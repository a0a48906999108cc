"""Versions, aliases and tags in MLflow: the place where people look.

Concept: the ledger decides, MLflow mirrors (law 1). A version is one MLflow run (metrics,
files, the model) and one registered model version pointing at it.

Promise: one key gives one version, whatever was killed when. Everything before the
creation of the version is invisible preparation, that creation is one transaction that
carries tags and description, and nothing has to follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ConfigError, Retryable
from components.registry import (
    database,
    mlflow_pages,
    mlflow_rows,
    restoring,
    review_queues,
)
from components.registry.connection import Connection
from components.registry.experiments import (
    ensure_experiment,
    ensure_model,
    ensure_table,
    experiment_for,
    experiment_id,
    has_model,
    moved_from,
)
from components.registry.inspection import (
    RUN_NAME,
    STATUS,
    VERSION,
    Glance,
    Said,
    Shown,
    Words,
    body_of,
    described,
    differences,
    listing,
)
from components.registry.packaging import MODEL, model_texts, write_model
from components.registry.review_queues import Queue
from components.registry.runs import log_dataset, log_numbers, stage_files
from components.registry.submission import Registered, Submission, Version, page

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

FILES, TEXTS = "ratchet.files", "ratchet.texts"
"""Tags of a version: the documents that list its files and hold its model folder's texts."""

Keep = Callable[[object], str]


def _unkept(document: object) -> str:
    """Keep nothing."""
    return ""


class Registry:
    """The registry of one root.

    Args:
        tracking_uri: MLflow's address; None means `mlflow.db` in `folder`.
        folder: `mlruns` of the root: locks, staging and, without a server, artifacts.
        model_name: the registered model.
        experiment: the experiment that holds the runs.

    Every method may raise `Retryable` (locked or unreachable), `Corrupted` (the database
    is gone or broken) or `ConfigError` (rights, schema of another MLflow).
    """

    def __init__(
        self, tracking_uri: str | None, folder: Path, model_name: str, experiment: str
    ) -> None:
        self._at = Connection(tracking_uri, folder)
        self._model_name = model_name
        self._experiment = experiment
        self.uri = self._at.uri

    def prepare(self, anew: bool = True) -> None:
        """Make database, experiment and registered model, once; safe in many processes.

        Args:
            anew: whether a missing database or registered model is made; else that is damage.
                (On a server the model is made in any case: only its own backup has more.)

        Raises:
            Corrupted: the database or the model is gone, and must not be recreated.
            NeedsHuman: the experiment was deleted in MLflow.
        """
        self.follow_root()
        with self._at.locked():
            if self._stands():
                return
            if anew and self._at.file is not None and not self._at.has_database():
                database.create(self._at.file, self._at.artifacts)
            with self._at.client() as client:
                ensure_experiment(self._at, client, self._experiment)
                ensure_table(client, self._experiment)
                if anew or self._at.file is None:
                    ensure_model(client, self._model_name)
                elif not has_model(client, self._model_name):
                    raise self._at.gone(f"the registered model {self._model_name}")

    def moved_from(self) -> str | None:
        """Return the address of the files of the root that this one was moved or copied from."""
        return moved_from(self._at, self._experiment)

    def follow_root(self) -> None:
        """Let MLflow's addresses lead to this root, wherever it was moved or copied from."""
        before = self.moved_from()
        if before is not None and self._at.file is not None:
            with self._at.locked():
                database.move_artifacts(self._at.file, before, self._at.artifacts.as_uri())

    def _stands(self) -> bool:
        """Tell whether nothing is to be made, without MLflow, which takes seconds to load."""
        file, artifacts = self._at.file, self._at.artifacts.as_uri()
        return (
            file is not None
            and self._at.has_database()
            and mlflow_rows.stands(file, self._experiment, artifacts, self._model_name)
        )

    def register(self, submission: Submission, keep: Keep = _unkept) -> Registered:
        """Register a candidate, or return the version that its key already has.

        A version's description, tags and files are those of the call that made it: use
        `describe`, `tag_version` and `attach` to change them. `keep` stores a document and
        returns its digest, which the version carries as a tag (`Registered.marks`).
        """
        with self._at.locked():
            found = self.find(submission.key)
            if found is not None:
                return found
            with self._at.client() as client:
                self._bury_dead_attempts(client, submission.key)
                return self._create(client, submission, keep)

    def find(self, key: str) -> Registered | None:
        """Return the version of `key`, the oldest should there be several, or None."""
        with self._at.client() as client:
            rows = client.search_model_versions(
                f"name = '{self._model_name}' and tags.`ratchet.key` = '{_plain(key)}'"
            )
        return min((_registered(row) for row in rows), key=lambda row: row.version, default=None)

    def versions(self) -> list[Version]:
        """Return all versions, the newest first."""
        with self._at.client() as client:
            found = self._all_rows(client, f"name = '{self._model_name}'")
            aliases = self._aliases(client)
        return sorted((_version(row, aliases) for row in found), key=lambda row: -row.version)

    def aliases(self) -> dict[str, int]:
        """Return where every alias points."""
        with self._at.client() as client:
            return self._aliases(client)

    def aliases_now(self) -> dict[str, int]:
        """Return the same, without MLflow's client where its database is a file of ours."""
        if self._at.file is None:
            return self.aliases()
        self._at.require_database()
        return database.aliases(self._at.file, self._model_name)

    def alias(self, alias: str) -> int | None:
        """Return the version that `alias` points to, or None."""
        with self._at.client() as client:
            return self._alias(client, alias)

    def version(self, number: int) -> Version | None:
        """Return one version, without its aliases; None where MLflow has none of that number."""
        with self._at.client() as client:
            row = self._find(client, number)
        return None if row is None else _version(row, {})

    def set_alias(self, alias: str, version: int) -> None:
        """Point `alias` at `version` and read it back.

        Raises:
            Corrupted: MLflow has no such version.
            Retryable: something else moved the alias meanwhile.
        """
        with self._at.client() as client:
            self._require(client, version)
            client.set_registered_model_alias(self._model_name, alias, str(version))
            now = self._alias(client, alias)
        if now != version:
            raise Retryable(
                f"{self.uri}: alias {alias} was set to version {version} and reads {now}.",
                "Something else changed it: run `ratchet reconcile`.",
            )

    def drop_alias(self, alias: str) -> None:
        """Remove `alias`; one that is not there is fine."""
        with self._at.client() as client:
            if self._alias(client, alias) is not None:
                client.delete_registered_model_alias(self._model_name, alias)

    def tag_version(self, version: int, key: str, value: str) -> None:
        """Set one tag of a version.

        Raises:
            Corrupted: MLflow has no such version.
        """
        with self._at.client() as client:
            self._require(client, version)
            client.set_model_version_tag(self._model_name, str(version), key, value)

    def describe(self, version: int, text: str) -> None:
        """Replace the description of a version; its first line is what lists show.

        Raises:
            Corrupted: MLflow has no such version.
        """
        headline, _, body = text.partition("\n")
        with self._at.client() as client:
            self._require(client, version)
            client.update_model_version(
                self._model_name, str(version), page(headline, body.strip("\n"))
            )

    def say(self, now: Version, words: Words, status: str, name: str, headline: str) -> None:
        """Say of a version and its run what became of it.

        Args:
            now: the version as MLflow shows it.
            words: what is to be said.
            status: what the ledger calls it.
            name: what its run is called, the outcome left out.
            headline: the first line of its description, before it was barred.
        """
        said = Said(
            now.version,
            now.run_id,
            words.description(headline, body_of(now.description)),
            {**words.of_version(), STATUS: status},
            {**words.of_run(now.version), RUN_NAME: words.run_name(name)},
        )
        if self._at.file is not None:
            mlflow_rows.say(self._at.file, self._model_name, said)
            return
        with self._at.client() as client:
            restoring.say_by_calls(client, self._model_name, said, now)

    def attach(self, version: int, files: Mapping[str, Path]) -> None:
        """Add files to the run of a version, or replace them; twice is as good as once.

        Raises:
            Corrupted: MLflow has no such version.
        """
        with self._at.locked(), self._at.staging() as staging, self._at.client() as client:
            run_id = str(self._require(client, version).run_id)
            stage_files(staging, files)
            client.log_artifacts(run_id, str(staging))

    def review_experiments(self) -> dict[str, str]:
        """Return the experiments where people are asked, made where missing: role -> id."""
        return review_queues.experiments(self._at, self._model_name)

    def show_queues(self, role: str, queues: Sequence[Queue]) -> None:
        """Ask the people of a role these questions, and no others."""
        review_queues.show(self._at, self._model_name, role, queues)

    def glance(self, champion: int | None) -> Glance:
        """Return both what is served and how far MLflow's versions go, at the least cost."""
        if self._at.file is not None:
            self._at.require_database()
            return mlflow_rows.glance(self._at.file, self._model_name, champion)
        aliases, serves = {}, None
        with self._at.client() as client:
            for alias in ("champion", "candidate"):
                number = self._alias(client, alias)
                if number is not None:
                    aliases[alias] = number
            row = None if champion is None else self._find(client, champion)
        if row is not None:
            serves = (str(row.run_id), str(row.source), str(row.source))
        return Glance(aliases, self.newest_version(), serves)

    def newest_version(self) -> int | None:
        """Return the highest number that MLflow knows, deleted versions included on SQLite."""
        if self._at.file is not None:
            self._at.require_database()
            return mlflow_rows.newest(self._at.file, self._model_name)
        with self._at.client() as client:
            found = client.search_model_versions(
                f"name = '{self._model_name}'", max_results=1, order_by=["version_number DESC"]
            )
        return int(found[0].version) if found else None

    def unknown_versions(self, known_keys: Collection[str]) -> list[Version]:
        """Return the versions that Ratchet made under a key that is not among `known_keys`."""
        made = [version for version in self.versions() if "ratchet.key" in version.tags]
        return [version for version in made if version.tags["ratchet.key"] not in known_keys]

    def shown(self, number: int | None = None) -> dict[int, Shown]:
        """Return all that MLflow shows of every version, or of one, by number."""
        if self._at.file is not None:
            self._at.require_database()
            return mlflow_rows.read(self._at.file, self._model_name, number)
        narrowed = f"name = '{self._model_name}'"
        with self._at.client() as client:
            if number is not None:
                row = self._find(client, number)
                found = [] if row is None else [row]
            else:
                found = self._all_rows(client, narrowed)
            return {int(row.version): restoring.shown_by_server(client, row) for row in found}

    def place(self, run_id: str) -> str:
        """Return the address below which the artifacts of a run lie, its folder left out."""
        if self._at.file is not None:
            return self._at.artifacts.as_uri()
        with self._at.client() as client:
            return str(client.get_run(run_id).info.artifact_uri).removesuffix(
                f"/{run_id}/artifacts"
            )

    def report_page(self, run_id: str, experiment_name: str | None = None) -> str:
        """Return the address of a run's report among MLflow's pages.

        `experiment_name`: where the run is to be; None for where it is.
        """
        if self._at.file is not None:
            experiment = mlflow_rows.experiment_of(
                self._at.file, self._experiment, run_id, experiment_name
            )
        else:
            with self._at.client() as client:
                experiment = client.get_run(run_id).info.experiment_id
        return mlflow_pages.report_page(experiment, run_id)

    def runs_page(self) -> str:
        """Return the address of the table of runs among MLflow's pages."""
        if self._at.file is not None:
            found = mlflow_rows.experiment_of(self._at.file, self._experiment)
            return mlflow_pages.runs_page(found)
        with self._at.client() as client:
            return mlflow_pages.runs_page(experiment_id(self._at, client, self._experiment))

    def run_folder(self, run_id: str) -> Path | None:
        """Return the folder of a run's files; None where a server keeps them."""
        return None if self._at.file is None else self._at.artifacts / run_id / "artifacts"

    def require_experiment(self, name: str | None) -> None:
        """Make an experiment where it is lost: its number stands in the addresses of its pages."""
        name = name or self._experiment
        if self._at.file is None or mlflow_rows.experiment_of(self._at.file, name) is not None:
            return
        with self._at.locked(), self._at.client() as client:
            experiment_for(self._at, client, name)

    def put_right(self, wanted: Shown, when: int) -> list[str]:
        """Make MLflow show a version as wanted; return what is still different, in words.

        `when` is the time of the registration in milliseconds, for rows that are recreated.
        """
        with self._at.locked():
            if self._at.file is not None:
                with self._at.client() as client:
                    name = (wanted.run.experiment if wanted.run else None) or self._experiment
                    experiment = experiment_for(self._at, client, name)
                mlflow_rows.write(self._at.file, self._model_name, experiment, wanted, when)
            else:
                found = self.shown(wanted.version).get(wanted.version)
                with self._at.client() as client:
                    restoring.put_right_by_calls(client, self._model_name, wanted, found)
        return differences(wanted, self.shown(wanted.version).get(wanted.version))

    def restore(self, stamp: str) -> list[str]:
        """Rebuild a lost or damaged database file, and restore experiment and model.

        What lay there is kept beside it under `stamp`. `prepare` is to follow, then
        `put_right` for each version.

        Raises:
            ConfigError: what lies there may be somebody else's: it is not at the usual place.
        """
        if self._at.file is None:
            return []
        with self._at.locked():
            done, wrong = [], restoring.damage(self._at.file)
            if wrong is not None:
                if not self._at.owns_database and wrong not in restoring.NOTHING_THERE:
                    raise self._at.not_replaced(f"{self._at.file} {wrong}.")
                aside = restoring.set_aside(self._at.file, stamp)
                database.create(self._at.file, self._at.artifacts)
                kept = f"; the old one is kept as {aside.name}" if aside else ""
                done.append(f"rebuilt MLflow's database: it was {wrong.removeprefix('is ')}{kept}")
            if restoring.restore_experiment(self._at.file, self._experiment):
                done.append(f"restored the experiment {self._experiment}, deleted in MLflow")
            done += restoring.restore_names(self._at.file, self._model_name, self._experiment)
            with self._at.client() as client:
                ensure_table(client, self._experiment)
                if ensure_model(client, self._model_name) and wrong is None:
                    done.append(
                        f"recreated the model {self._model_name}, which was missing in MLflow"
                    )
        return done

    def write_model(self, target: Path, submission: Submission) -> None:
        """Write the model folder of a submission anew at `target`, which must not exist."""
        with database.translated(str(target)):
            write_model(target, submission)

    def copies_of(self, bundle_digest: str) -> list[Path]:
        """Return the folders of a bundle's copies among the artifacts of this root, unverified."""
        return sorted(self._at.artifacts.glob(f"*/artifacts/{MODEL}/artifacts/{bundle_digest}"))

    def _create(self, client: MlflowClient, submission: Submission, keep: Keep) -> Registered:
        """Write the run, then the version. Law: the version is created last."""
        tags = submission.all_tags()
        experiment = experiment_id(self._at, client, self._experiment)
        shown = {**submission.first_tags, **tags}
        of_run = {**submission.first_tags, VERSION: "", **tags}  # it has no number yet
        run = client.create_run(experiment, tags=of_run, run_name=submission.run_name)
        run_id = run.info.run_id
        log_numbers(client, run_id, submission)
        log_dataset(client, run_id, submission.dataset)
        with self._at.staging() as staging:
            write_model(staging / MODEL, submission)
            stage_files(staging, submission.files)
            marks = _marks(staging, keep)
            client.log_artifacts(run_id, str(staging))
        client.set_terminated(run_id, "FINISHED")
        report = mlflow_pages.report_page(experiment, run_id)
        row = client.create_model_version(
            self._model_name,
            f"{run.info.artifact_uri}/{MODEL}",
            run_id,
            tags={**shown, **marks},
            description=described(submission.headline, report, submission.description),
        )
        return _registered(row)

    def _bury_dead_attempts(self, client: MlflowClient, key: str) -> None:
        """End the runs of `key`: it has no version, so whoever began them is dead."""
        runs = client.search_runs(
            [experiment_id(self._at, client, self._experiment)],
            f"tags.`ratchet.key` = '{_plain(key)}' and attributes.status != 'KILLED'",
        )
        for run in runs:
            client.set_tag(run.info.run_id, "ratchet.superseded", "true")
            client.set_terminated(run.info.run_id, "KILLED")

    def _all_rows(self, client: MlflowClient, narrowed: str) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        token = None
        while True:
            page_of = client.search_model_versions(narrowed, max_results=1000, page_token=token)
            found += page_of
            token = page_of.token
            if not token:
                return found

    def _aliases(self, client: MlflowClient) -> dict[str, int]:
        model = client.get_registered_model(self._model_name)
        return {alias: int(version) for alias, version in model.aliases.items()}

    def _alias(self, client: MlflowClient, alias: str) -> int | None:
        """Ask for one alias: asking for the model would read all its versions."""
        from mlflow.exceptions import MlflowException

        try:
            found = client.get_model_version_by_alias(self._model_name, alias)
        except MlflowException as error:
            if error.error_code == "INVALID_PARAMETER_VALUE":
                return None
            raise
        return int(found.version)

    def _find(self, client: MlflowClient, version: int) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException

        try:
            return client.get_model_version(self._model_name, str(version))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _require(self, client: MlflowClient, version: int) -> ModelVersion:
        found = self._find(client, version)
        if found is None:
            raise self._at.gone(f"version {version} of {self._model_name}")
        return found


def _plain(key: str) -> str:
    if "'" in key or "`" in key:
        raise ConfigError(f"{key!r} is not a registry key.", "Use a digest.")
    return key


def _marks(staging: Path, keep: Keep) -> dict[str, str]:
    """Keep what rebuilding a run's files needs, and return the tags that name it."""
    kept = {FILES: keep(listing(staging)), TEXTS: keep(model_texts(staging / MODEL))}
    return {name: digest for name, digest in kept.items() if digest}


def _registered(row: ModelVersion) -> Registered:
    marks = {name: row.tags[name] for name in (FILES, TEXTS) if name in row.tags}
    return Registered(int(row.version), str(row.run_id), marks)


def _version(row: ModelVersion, aliases: Mapping[str, int]) -> Version:
    number = int(row.version)
    return Version(
        number,
        str(row.run_id),
        row.description or "",
        dict(row.tags),
        tuple(sorted(alias for alias, version in aliases.items() if version == number)),
    )
