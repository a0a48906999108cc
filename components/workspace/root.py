"""One root and everything in it: the paths of its files, and the packages that hold its state.

Concept: `Workspace` is handed to every step. It opens ledger, registry and base on first use, so
that a command that only reads the ledger stays fast.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.clock import Clock, system_clock
from components.digest import bytes_digest, canonical_json
from components.errors import Corrupted
from components.files import write_bytes
from components.identity import PLAIN, Identity
from components.ledger import views
from components.ledger.ledger import Ledger
from components.places import place
from components.settings import Settings, read_settings
from components.workspace.setting_places import require_places

if TYPE_CHECKING:
    from components.data.versioning import DataStore
    from components.evaluation.score_store import ScoreStore
    from components.model.activation_cache import ActivationCache
    from components.model.base import Base
    from components.registry.store import Registry

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total) while long work goes on."""

STEP = 0
"""The total of what is not counted: a step of a batch that begins."""

PIPELINE = "pipeline"
"""The actor of what no person asked for: flows, schedules, workers."""

LED_TO = ("documents", "bundles", "ledger.head")
"""What only a ledger leads to, under `mlruns`."""


def no_progress(what: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass
class Workspace:
    """A root folder, its settings and its rooms.

    `actor`: who causes what the ledger records. `identity` makes the digests of what its rows
    say; a root keeps the one that it began with. `notices`: what people should change in
    params.yaml although it is legal.
    """

    root: Path
    settings: Settings
    clock: Clock = system_clock
    progress: Progress = field(default=no_progress)
    actor: str = PIPELINE
    identity: Identity = PLAIN
    notices: tuple[str, ...] = ()

    @property
    def incoming(self) -> Path:
        """Where users drop batches; a folder in it names the task."""
        return self.root / "data" / "incoming"

    @property
    def pool_files(self) -> Path:
        """Where users drop unlabelled inputs; a folder in it names the task."""
        return self.root / "data" / "pool"

    @property
    def batches(self) -> Path:
        """The stored batches, tracked by DVC: `<2 hex>/<batch>/raw.*` and `items.jsonl` beside."""
        return self.root / "data" / "batches"

    @property
    def holdouts(self) -> Path:
        """The holdout files, tracked by DVC."""
        return self.root / "data" / "holdout"

    @property
    def quarantine(self) -> Path:
        """Refused batches and rows, each with its reason."""
        return self.root / "data" / "quarantine"

    @property
    def mlruns(self) -> Path:
        """Databases, bundles, documents, reports and the registry's artifacts."""
        return self.root / "mlruns"

    @property
    def bundles(self) -> Path:
        """One folder a bundle, named by its digest."""
        return self.mlruns / "bundles"

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, `mlruns/ratchet.db`.

        Raises:
            Corrupted: it is gone, though what only a ledger leads to is still there.
        """
        path = self.mlruns / "ratchet.db"
        absent = not path.exists() or path.stat().st_size == 0
        if absent and any((self.mlruns / name).exists() for name in LED_TO):
            raise Corrupted(
                f"The ledger {path} is missing, but {self.mlruns} has files that it recorded.",
                "Put it back, or restore a backup into another folder (`ratchet restore`).",
            )
        return Ledger(path, self.clock, self.actor)

    @property
    def remote(self) -> Path | str:
        """Where second copies of the data go: a folder, or an address."""
        return place(self.root, self.settings.data.remote)

    @cached_property
    def store(self) -> DataStore:
        """The versioned data."""
        from components.data.versioning import DataStore

        store = DataStore(self.root, self.remote)
        store.prepare()
        return store

    @cached_property
    def registry(self) -> Registry:
        """The model registry, made on first use.

        Once the ledger knows versions, a missing registry is damage, and is not recreated. The
        addresses of one that was moved with its root follow it.
        """
        registry = self.unprepared_registry()
        registry.prepare(anew=not views.versions(self.ledger))
        return registry

    def unprepared_registry(self) -> Registry:
        """Return the model registry without a look at it: its database may be lost or damaged."""
        from components.registry.store import Registry

        return Registry(
            self.settings.registry.tracking_uri,
            self.mlruns,
            self.settings.model.name,
            self.settings.registry.experiment,
        )

    @cached_property
    def scores(self) -> ScoreStore:
        """The answers already given, by (bundle, item)."""
        from components.evaluation.score_store import ScoreStore

        return ScoreStore(self.mlruns / "scores.db")

    @cached_property
    def activations(self) -> ActivationCache | None:
        """What the frozen layers computed; None where the settings keep nothing."""
        from components.model.activation_cache import ActivationCache

        size = self.settings.cache.max_megabytes * 1_000_000
        return ActivationCache(self.mlruns / "activations", size) if size else None

    def in_force(self) -> Settings:
        """Return the settings with what was chosen in place of `auto`."""
        chosen = views.choices(self.ledger)
        return self.settings.resolved({name: each.value for name, each in chosen.items()})

    @cached_property
    def base(self) -> Base:
        """The frozen base model."""
        from components.model.base import load_base

        return load_base(self.settings.model, self.root)

    def base_folder(self, download: bool = False) -> Path | None:
        """Return where the base lies; None: its first use downloads it. Nothing is loaded.

        With `download` it is there afterwards.

        Raises:
            ConfigError: there can be no such base, or its folder lacks a file.
        """
        from components.model.base_lookup import base_here

        return base_here(self.settings.model.base, self.root, download)

    @property
    def unknown(self) -> Path:
        """What the ledger does not know, moved aside: `<time>/<batches or the like>/...`."""
        return self.root / "data" / "unknown"

    @contextmanager
    def arrivals_locked(self, checked: bool = True) -> Iterator[None]:
        """Keep arrivals, and what moves or copies their files, apart; falls with its process.

        Raises:
            NeedsHuman: the ledger is an older copy, unless `checked` is False.
        """
        from filelock import FileLock

        self.mlruns.mkdir(parents=True, exist_ok=True)
        with FileLock(self.mlruns / "arrivals.lock"):
            if checked:
                self.ledger.require_newest()
            yield

    def write_document(self, value: Any) -> str:
        """Store `value` under the digest of its canonical JSON and return the digest."""
        data = canonical_json(value).encode("utf-8", "surrogatepass")
        digest = bytes_digest(data)
        write_bytes(self.document_path(digest), data)
        return digest

    def read_document(self, digest: str) -> Any:
        """Return a stored document.

        Raises:
            Corrupted: it is absent, or its bytes are not what the digest says.
        """
        path = self.document_path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise Corrupted(f"The document {path} is missing.", "Restore it.") from None
        if bytes_digest(data) != digest:
            raise Corrupted(
                f"The document {path} was changed: its digest is {bytes_digest(data)[:12]}….",
                "Restore it from a backup.",
            )
        return json.loads(data)

    def document_path(self, digest: str) -> Path:
        """Return where a document of that digest lies."""
        return self.mlruns / "documents" / f"{digest}.json"


def root_around(folder: Path) -> Path:
    """Return the root that a folder lies in, at any depth; the folder itself where it is in none.

    A root has settings and `mlruns`: a `params.yaml` alone may be of DVC or another tool.
    """
    for above in (folder.resolve(), *folder.resolve().parents):
        if (above / "params.yaml").is_file() and (above / "mlruns").is_dir():
            return folder if above == folder.resolve() else above
    return folder


def open_workspace(
    root: Path,
    clock: Clock = system_clock,
    progress: Progress = no_progress,
    actor: str = PIPELINE,
    identity: Identity = PLAIN,
) -> Workspace:
    """Open the root at `root`.

    Raises:
        ConfigError: there is no root there, or its settings are wrong.
    """
    root = root.resolve()
    loaded = read_settings(root / "params.yaml")
    ws = Workspace(root, loaded.settings, clock, progress, actor, identity, loaded.notices)
    require_places(root, ws.settings)
    return ws
