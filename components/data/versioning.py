"""The bytes of the data, kept by DVC: added one file at a time, pushed, fetched back.

Concept: a stored file is named by its MD5, DVC's own key; the ledger remembers it, so the
`.dvc` files (`dvc_tracking.py`) are only a hint. Files are entered one by one: asking DVC to add a
path would have it read every `.dvc` file and walk the whole root.

Promise: git is never touched, nothing is written outside the root and the remote, nothing
is printed, and a lock that another process holds is waited for.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from components.data import dvc_settings
from components.data.dvc_locks import clear_dead_locks
from components.data.dvc_tracking import file_md5, holds, put, track, untrack
from components.errors import ConfigError, Corrupted, DataRejected, RatchetError, Retryable
from components.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TRACKED = ("data/batches", "data/holdout")
REMOTE = "ratchet"
SITE = "tmp/site"
LOCK_WAIT_SECONDS = 600.0
LOCK_POLL_SECONDS = 0.2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that DVC keeps: `path` relative to the root, MD5 of its bytes, size in bytes."""

    path: str
    md5: str
    size: int


@dataclass(frozen=True, slots=True)
class DataStore:
    """The stored data of one root; a second copy goes to `remote`, a folder or an address."""

    root: Path
    remote: Path | str

    def prepare(self) -> None:
        """Make the root a DVC repository if it is none, and clear locks of dead processes.

        An existing `.dvc` is left as it is. Idempotent, and safe in several processes at once.
        """
        folder = self.root / ".dvc"
        if not (folder / "config").exists():
            _write_missing(folder / ".gitignore", "/config.local\n/tmp\n/cache\n")
            _write_missing(self.root / ".dvcignore", "*.part\n")
            _write_missing(folder / "config", self._config_text())
        with suppress(OSError):  # where DVC makes it, everybody may write
            (folder / SITE).mkdir(mode=folder.stat().st_mode & 0o777, parents=True)
        clear_dead_locks(folder / "tmp")

    def keep(self, paths: Sequence[str | Path]) -> list[Stored]:
        """Store files in cache and remote, read both back, then enter them in their listings.

        Idempotent. Whatever a listing or a hint names lies in both copies already, so that a
        process killed in between leaves nothing that refers to what is not there.

        Args:
            paths: of files under `data/batches` or `data/holdout`, absolute or relative to the
                root.

        Raises:
            ConfigError: a path is elsewhere.
            DataRejected: there is no such file.
            Retryable: a lock stayed taken, the disk failed, or the remote did not take a file.
            Corrupted: a file changed while it was stored.
        """
        found = [self._stored(path) for path in paths]

        def act(repo: Any) -> None:
            for stored in found:
                self._keep(repo, stored)

        self._locked(act)
        return found

    def erase(self, path: str, md5: str) -> list[str]:
        """Delete a stored file: here, in the listing, in the cache, in a remote that is a folder.

        Idempotent; what is deleted cannot be restored. Returns the copies that a person has to
        delete: a remote that is an address may keep older versions, or forbid it.

        Args:
            path: of the file, relative to the root.
            md5: of its bytes.

        Raises:
            ConfigError: the path is elsewhere.
            Retryable: a lock stayed taken, or a disk failed.
        """
        name, folder = self._place(path)
        file = self.root.resolve() / name
        hint = self.root.resolve() / f"{folder}.dvc"
        reachable = not isinstance(self.remote, str)

        def act(repo: Any) -> None:
            from dvc.rwlock import rwlock

            cache, remote = self._copies(repo)
            hardlink = repo.config["core"].get("hardlink_lock", False)
            with repo.lock, rwlock(repo.tmp_dir, repo.fs, "ratchet", [], [str(file)], hardlink):
                file.unlink(missing_ok=True)
                untrack(hint, file, (cache, remote))
                for copies in (cache, remote) if reachable else (cache,):
                    if copies.exists(md5):
                        copies.delete(md5)

        self._locked(act)
        return [] if reachable else [f"{self._url()}/files/md5/{md5[:2]}/{md5[2:]}"]

    def is_pushed(self, md5: str) -> bool:
        """Return whether the remote holds exactly the bytes with this MD5; reads them."""
        return bool(self._locked(lambda repo: holds(self._copies(repo)[1], md5)))

    def has_copy(self, md5: str) -> bool:
        """Return whether cache or remote hold exactly the bytes with this MD5; reads them."""
        return bool(self._locked(lambda repo: any(holds(c, md5) for c in self._copies(repo))))

    def refill(self) -> set[str]:
        """Copy all that the cache holds to the remote; return the MD5 of what is there now.

        Raises:
            Retryable: the disk failed.
        """
        copied = set[str]()

        def act(repo: Any) -> None:
            cache, remote = self._copies(repo)
            for path in sorted(Path(cache.path).glob("??/*")):
                md5 = path.parent.name + path.name
                if holds(cache, md5):
                    remote.add(str(path), cache.fs, md5)
                    copied.add(md5)

        self._locked(act)
        return copied

    def fetch(self, stored: Stored) -> Path:
        """Return the stored file in the root, restored from cache or remote where it is lost.

        Raises:
            Corrupted: the file was changed, or no copy with its MD5 is left.
        """
        target = self.root / stored.path
        if target.exists():
            if file_md5(target) != stored.md5:
                raise Corrupted(
                    f"{target} differs from what was stored (md5 {stored.md5}).",
                    "Move the changed file away; the stored file is then restored.",
                )
            return target

        def restore(repo: Any) -> None:
            for copies in self._copies(repo):
                if holds(copies, stored.md5):
                    with copies.fs.open(copies.oid_to_path(stored.md5), "rb") as file:
                        write_bytes(target, file.read())
                    return
            raise Corrupted(
                f"{target} is lost: neither the cache nor the remote has it (md5 {stored.md5}).",
                f"Restore {self.remote} from a backup, then run this again.",
            )

        self._locked(restore)
        return target

    def _stored(self, path: str | Path) -> Stored:
        name, _ = self._place(path)
        file = self.root.resolve() / name
        if not file.is_file():
            raise DataRejected(f"There is no file {file}.", "Restore it, then run this again.")
        return Stored(name, file_md5(file), file.stat().st_size)

    def _keep(self, repo: Any, stored: Stored) -> None:
        from dvc.rwlock import rwlock

        file, (cache, remote) = self.root.resolve() / stored.path, self._copies(repo)
        hint = self.root.resolve() / f"{self._place(stored.path)[1]}.dvc"
        hardlink = repo.config["core"].get("hardlink_lock", False)
        with repo.lock, rwlock(repo.tmp_dir, repo.fs, "ratchet", [], [str(file)], hardlink):
            put(cache, file, repo.fs, stored.md5)
            if not holds(cache, stored.md5):
                raise Corrupted(
                    f"{file} changed while it was being stored.",
                    "Restore the file and add it again.",
                )
            put(remote, cache.oid_to_path(stored.md5), cache.fs, stored.md5)
            if not holds(remote, stored.md5):
                raise Retryable(
                    f"The remote {self.remote} did not store {stored.path} (md5 {stored.md5}).",
                    "Check the remote's disk, then run this again.",
                )
            track(hint, file, stored.md5, (cache, remote))

    def _copies(self, repo: Any) -> tuple[Any, Any]:
        """Return DVC's object stores: the cache and the remote."""
        return repo.cache.local, repo.cloud.get_remote_odb(REMOTE)

    def _place(self, path: str | Path) -> tuple[str, str]:
        """Return (path relative to the root, tracked folder)."""
        root = self.root.resolve()
        name = os.path.relpath((root / path).resolve(), root).replace(os.sep, "/")
        for folder in TRACKED:
            if name.startswith(f"{folder}/"):
                return name, folder
        raise ConfigError(
            f"{path} is not under {' or '.join(TRACKED)} of {self.root}.",
            "Copy the file there first.",
        )

    def _config_text(self) -> str:
        url, root = self._url(), self.root.resolve()
        if isinstance(self.remote, Path) and Path(url).is_relative_to(root):
            url = os.path.relpath(url, root / ".dvc")
        url = dvc_settings.quoted(url)
        return (
            "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
            f"    remote = {REMOTE}\n['remote \"{REMOTE}\"']\n    url = {url}\n"
        )

    def _url(self) -> str:
        return self.remote if isinstance(self.remote, str) else str(self.remote.resolve())

    @contextmanager
    def _repo(self) -> Iterator[Any]:
        """Open the repository with our own settings over whatever its files say."""
        from dvc.config import ConfigError as DvcConfigError
        from dvc.repo import Repo
        from dvc.ui import ui

        # DVC draws bars unless its logger is above ERROR, and a spinner on a console of its
        # own. Faults arrive as exceptions, so nothing is lost.
        logging.getLogger("dvc").setLevel(logging.CRITICAL)
        ui.error_console.quiet = True
        if not (self.root / ".dvc").is_dir():
            self.prepare()  # else DVC would take the repository of a parent folder
        root = self.root.resolve()
        core = {
            "no_scm": True,
            "analytics": False,
            "check_update": False,
            "site_cache_dir": str(root / ".dvc" / SITE),
        }
        remote = {REMOTE: {"url": self._url()}}
        try:
            opened = Repo(str(root), config={"core": core, "remote": remote})
        except (SyntaxError, TypeError) as error:  # of DVC's parser; of an address with a comma
            raise DvcConfigError(str(error)) from error
        with opened as repo:
            yield repo

    def _locked(self, action: Callable[[Any], T]) -> T:
        """Run `action` on the repository; wait and try again while DVC's locks are taken."""
        from dvc.config import ConfigError as DvcConfigError
        from dvc.exceptions import DvcException
        from dvc.lock import LockError
        from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError
        from dvc_data.hashfile.cache import DiskError

        faults: tuple[type[Exception], ...] = (DvcException, DiskError, sqlite3.Error, OSError)
        if isinstance(self.remote, str):  # whatever the client of its server throws
            faults = (Exception,)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                with self._repo() as repo:
                    return action(repo)
            except (LockError, RWLockFileCorruptedError, RWLockFileFormatError):
                if time.monotonic() > deadline:
                    raise Retryable(
                        f"DVC's lock in {self.root} is still held after "
                        f"{LOCK_WAIT_SECONDS:g} seconds.",
                        "Stop the other `dvc` process, then run this again.",
                    ) from None
            except DvcConfigError as error:
                raise ConfigError(
                    f"DVC cannot read its settings, {self.root / '.dvc'}/config or config.local: "
                    f"{' '.join(str(error).split())}",
                    "Correct the file, or move it away: Ratchet writes a new one.",
                ) from None
            except RatchetError:
                raise
            except faults as error:
                raise Retryable(
                    f"DVC failed in {self.root}: {' '.join(str(error).split()) or repr(error)}.",
                    f"Check disk space, permissions and {self.remote}, then run this again.",
                ) from error
            clear_dead_locks(self.root / ".dvc" / "tmp")
            time.sleep(LOCK_POLL_SECONDS)


def _write_missing(path: Path, text: str) -> None:
    if not path.exists():
        write_bytes(path, text.encode())
