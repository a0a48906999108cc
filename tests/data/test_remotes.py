"""Second copies at an address: reached by DVC where it can be, and never taken for a folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from components.data.dvc_settings import differences
from components.data.remotes import require_reachable
from components.data.versioning import REMOTE
from components.errors import ConfigError, Retryable
from components.ledger import views
from components.ledger.events import RemovalDone
from components.operations.verification import verify
from components.pipeline.arrival import arrive
from components.workspace.root import Workspace, open_workspace
from components.workspace.stored_files import remote_warning
from tests.command import ratchet
from tests.pools import add_pool
from tests.stream import PARAMS, batch, settle, write_jsonl


class Shelf(ThreadingHTTPServer):
    """An HTTP server that keeps what is posted to it; `broken` answers 500 to everything."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: dict[str, bytes] = {}
        self.broken = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/copies"


class Handler(BaseHTTPRequestHandler):
    server: Shelf

    def do_POST(self) -> None:
        size = self.headers["Content-Length"]
        body = self.rfile.read(int(size)) if size else b"".join(self._chunks())
        if not self.server.broken:
            self.server.kept[self.path] = body
        self._answer(b"", 201)

    def do_GET(self) -> None:
        found = self.server.kept.get(self.path)
        self._answer(found or b"", 404 if found is None else 200)

    do_HEAD = do_GET

    def _answer(self, body: bytes, status: int) -> None:
        self.send_response(500 if self.server.broken else status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def at(root: Path, remote: str) -> Workspace:
    (root / "params.yaml").write_text(PARAMS.replace("data: {", f"data: {{remote: '{remote}', "))
    return open_workspace(root)


def test_what_is_removed_at_an_address_is_named_and_left_to_a_person(
    root: Path, shelf: Shelf
) -> None:
    ws = at(root, shelf.address)
    write_jsonl(root / "pool.jsonl", [{"text": f"Zebulon {n}"} for n in range(20)])
    add_pool(root, root / "pool.jsonl")
    (root / "pool.jsonl").unlink()
    ran = ratchet(root, "pool", "remove", "--task", "mood")
    [place] = [path for path, body in shelf.kept.items() if b"Zebulon" in body]
    assert f"Delete this copy yourself: {shelf.address}{place.removeprefix('/copies')}\n" in ran.out
    files = [path for path in root.rglob("*") if path.is_file()]
    assert not [path for path in files if b"Zebulon" in path.read_bytes()]
    [done] = views.told(ws.ledger, RemovalDone)
    assert len(done.payload.left) == 1 and verify(ws).findings == []


def test_copies_at_an_address_are_made_read_back_and_restored(root: Path, shelf: Shelf) -> None:
    ws = at(root, shelf.address)
    assert settle(root, batch(root / "b.jsonl", 1)).action == "promoted"
    assert not [path for path in root.rglob("*") if "http" in path.name], "no folder of that name"
    assert f"url = {shelf.address}" in (root / ".dvc" / "config").read_text()
    assert remote_warning(ws) is None
    found = verify(ws)
    assert found.findings == []
    assert f"the remote {shelf.address}" in {each.what for each in found.skipped}
    [items] = ws.batches.rglob("items.jsonl")
    stored = next(each for each in ws.store.keep([items]))
    assert ws.store.is_pushed(stored.md5)
    kept = items.read_bytes()
    cached = root / ".dvc/cache/files/md5" / stored.md5[:2] / stored.md5[2:]
    cached.unlink()
    items.unlink()
    assert ws.store.fetch(stored).read_bytes() == kept


def test_a_server_that_fails_is_waited_for(root: Path, shelf: Shelf) -> None:
    ws = at(root, shelf.address)
    arrive(ws, batch(root / "b.jsonl", 1), "mood")
    [raw] = ws.batches.rglob("raw.jsonl")
    shelf.broken = True
    with pytest.raises(Retryable, match="DVC failed"):
        ws.store.keep([raw])
    shelf.broken = False
    assert ws.store.keep([raw])


def test_a_backup_names_an_address_as_left_out(grown: Path, tmp_path: Path, shelf: Shelf) -> None:
    at(grown, shelf.address)
    ran = ratchet(grown, "backup", tmp_path / "b", "--json")
    assert ran.code == 0, ran.err
    left = {each["what"] for each in ran.facts["not_included"]}
    assert f"DVC's remote {shelf.address}" in left


def test_a_file_address_is_that_folder(root: Path, tmp_path: Path) -> None:
    ws = at(root, f"file://{tmp_path}/my%20copies")
    assert settle(root, batch(root / "b.jsonl", 1)).action == "promoted"
    assert list((tmp_path / "my copies").rglob("*"))
    found = verify(ws)
    assert found.findings == [] and found.holds["copies in the remote"] == 2


@pytest.mark.skipif(find_spec("dvc_s3") is not None, reason="dvc-s3 is installed")
def test_a_scheme_whose_package_is_missing_is_refused_by_the_name_of_the_package(
    root: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"`data.remote` is 's3://bucket/x'.*s3://") as caught:
        at(root, "s3://bucket/x")
    assert "pip install dvc-s3" in caught.value.remedy
    assert not list(root.glob("s3*"))


@pytest.mark.parametrize("address", ["foo://x", "memory://x", "remote://x/y"])
def test_a_scheme_that_dvc_does_not_know_is_refused_with_those_it_does(address: str) -> None:
    with pytest.raises(ConfigError, match="DVC knows no") as caught:
        require_reachable(address)
    assert "http, https" in caught.value.remedy and "memory" not in caught.value.remedy


def test_dvcs_own_settings_must_name_the_same_address(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"['remote \"{REMOTE}\"']\n    url = https://example.org/a\n")
    assert list(differences(config, REMOTE, "https://example.org/a")) == []
    [other] = differences(config, REMOTE, "https://example.org/b")
    assert (other.found, other.wanted) == ("https://example.org/a", "https://example.org/b")
    [local] = differences(config, REMOTE, tmp_path / "remote")
    assert local.found == "https://example.org/a"
