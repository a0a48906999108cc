"""Objects in a bucket come in, from a real S3 server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from components.data.addresses import listed
from components.errors import Retryable
from components.ledger import views
from components.pipeline.polling import Poll
from components.workspace.root import Workspace, open_workspace
from tests.stream import PARAMS, batch


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket called `incoming`, found as s3fs finds any: by the environment."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("incoming")
    yield system
    system.rm("incoming", recursive=True)  # the server keeps its buckets in this process
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture
def ws(root: Path) -> Workspace:
    service = "service: {poll: ['s3://incoming/batches'], poll_seconds: 1}"
    (root / "params.yaml").write_text(f"{PARAMS}\n{service}\n", encoding="utf-8")
    return open_workspace(root)


def look(poll: Poll, ws: Workspace) -> list[tuple[str, str]]:
    """Look as if it were time; return source and task of what came in."""
    poll._looked = None
    arrived = {each.batch for each in poll.take(ws).arrived}
    return [(each.source, each.task or "") for each in views.arrivals(ws.ledger)
            if each.batch in arrived]  # fmt: skip


def test_objects_in_a_bucket_come_in_once_and_stay_there(
    bucket: Any, ws: Workspace, tmp_path: Path
) -> None:
    poll = Poll()
    bucket.put(str(batch(tmp_path / "b1.jsonl", 1)), "incoming/batches/mood/b1.jsonl")
    bucket.put(str(batch(tmp_path / "b9.jsonl", 9)), "incoming/elsewhere/b9.jsonl")
    assert look(poll, ws) == [], "it may still be written"
    assert look(poll, ws) == [("b1.jsonl", "mood")]
    assert look(poll, ws) == [] == look(Poll(), ws)
    bucket.put(str(batch(tmp_path / "b2.jsonl", 2)), "incoming/batches/mood/b1.jsonl")
    assert look(poll, ws) == [] and look(poll, ws) == [("b1.jsonl", "mood")], "written anew"
    assert bucket.exists("incoming/batches/mood/b1.jsonl")


def test_an_object_as_large_as_nobody_wants_is_refused_and_named(
    bucket: Any, ws: Workspace
) -> None:
    params = ws.root / "params.yaml"
    text = params.read_text().replace("data: {", "data: {max_file_megabytes: 1, ")
    params.write_text(text, encoding="utf-8")
    ws, poll = open_workspace(ws.root), Poll()
    bucket.pipe("incoming/batches/mood/large.jsonl", b"x" * 1_100_000)
    assert look(poll, ws) == []
    poll._looked = None
    [left] = poll.take(ws).left
    assert left.path.endswith("large.jsonl") and "1 MB" in left.reason
    assert look(poll, ws) == []


def test_a_bucket_that_is_not_there_or_a_server_that_is_down_blocks_nothing(
    bucket: Any, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Retryable, match="nobody-has-this"):
        listed("s3://nobody-has-this/batches")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    [left] = Poll().take(ws, at_once=True).left
    assert left.path == "s3://incoming/batches"
