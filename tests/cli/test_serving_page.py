"""docs/serving.md: every command and every snippet in it is run, in its order, on one root."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import REPOSITORY
from tests.stream import PARAMS, add_exam, batch, make_root, settle

PAGE = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")

NIGHT = "id,text,prediction,probability\n1,good great fine,pos,0."


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield (heading, language, code) of every block of code."""
    for section in PAGE.split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        for language, code in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
            yield heading, language, code


def free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])


class Page:
    """Runs what the page shows; a server that it starts is ended with it."""

    def __init__(self, root: Path, tools: Path) -> None:
        self.root, self.port, self.server = root, str(free_port()), None
        tools.mkdir()
        command = tools / "ratchet"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m components.cli.main "$@"\n')
        command.chmod(0o755)
        path = [str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **os.environ, "PATH": os.pathsep.join(path), "PYTHONPATH": str(REPOSITORY),
        }  # fmt: skip

    def run(self, line: str) -> str:
        """Run one command of the page and return what it printed."""
        line = line.replace("5001", self.port).replace("/models/base", str(self.root / "base"))
        if "models serve" in line:
            return self.serve(line)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-500:]}{done.stderr[-2000:]}"
        return done.stdout

    def serve(self, line: str) -> str:
        """Start MLflow's server and wait until it answers."""
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec env {line}"],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(240):
            assert self.server.poll() is None, "the server ended"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=2).read()
                return ""
            except OSError:
                time.sleep(0.5)
        raise AssertionError("the server does not answer")

    def python(self, code: str) -> list[object]:
        """Run a snippet, and return the values of its lines that ask the model."""
        asks = r"^((?:model\.predict|ask)\(.*\))$"
        shown = re.sub(asks, r"print(__import__('json').dumps(\1))", code, flags=re.MULTILINE)
        done = subprocess.run(
            [sys.executable, "-c", shown],
            cwd=self.root,
            env={**self.environment, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "[{"]

    def end(self) -> None:
        """End the server."""
        if self.server is not None:
            os.killpg(self.server.pid, 15)
            self.server.wait(30)


@pytest.mark.slow
def test_every_command_of_the_page_does_what_the_page_says(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", PARAMS.replace("name: tiny", "name: ratchet"))
    add_exam(root, batch(root / "exam.jsonl", 900, 60))
    assert settle(root, batch(root / "b.jsonl", 1)).action == "promoted"
    (root / "texts.csv").write_text("id,text\n1,good great fine\n2,bad sad ugly\n")
    (root / "asked.json").write_text('{"inputs": ["good great fine"]}')
    page, label = Page(root, tmp_path / "tools"), ""
    try:
        for heading, language, code in blocks():
            if heading == "Moving or copying a root":
                page.end()
                page.server, page.root = None, Path(shutil.move(root, tmp_path / "moved"))
            if language == "python":
                told = page.python(code)
                if "tonight.csv" in code:
                    assert (page.root / "tonight.csv").read_text().startswith(NIGHT)
                    continue
                assert told and (heading == "A plain Hugging Face model" or told[0] == [label])
                continue
            for line in code.splitlines():
                assert line.startswith("$ ")
                out = page.run(line[2:])
                if line.startswith("$ curl"):
                    [answer] = json.loads(out)["predictions"]
                    if "threshold" in line:
                        assert answer is None
                    else:
                        assert label in (answer, answer["label"] if isinstance(answer, dict) else 0)
                elif "--threshold" in line and "--file" not in line:
                    assert out.startswith("don't know (")
                elif "predict" in line and "mlflow" not in line and "--file" not in line:
                    label = label or out.split("\t")[0]
                    assert out.startswith(f"{label}\t")
                elif "models predict" in line:
                    assert '{"predictions": ["pos"]}' in out
        snippet = next(code for _, language, code in blocks() if language == "python")
        assert page.python(snippet)[0] == [label]
    finally:
        page.end()
    assert "mlflow==" in (page.root / "needed" / "requirements.txt").read_text()
    answers = (page.root / "answers.csv").read_text().splitlines()
    assert answers[0] == "id,text,prediction,probability"
    assert [line.split(",")[2] for line in answers[1:]] == ["pos", "neg"]
    assert [line.split(",")[2] for line in (page.root / "sure.csv").read_text().splitlines()[1:]]
