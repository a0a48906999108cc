"""The first lines of docs/service.md, as somebody types them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from components.ledger import views
from components.workspace.root import open_workspace
from tests.service.installation import UP_SECONDS, free_port, soon
from tests.stream import PARAMS, batch, make_root, settle

PAGE = Path(__file__).parents[2] / "docs" / "service.md"


def lines() -> list[str]:
    """Return the commands of the block that begins with `ratchet up`, without their comments."""
    text = PAGE.read_text(encoding="utf-8")
    [block] = re.findall(r"```console\n(\$ ratchet up .*?)```", text, re.DOTALL)
    return [re.sub(r"\s+# .*", "", line).removeprefix("$ ") for line in block.splitlines()]


def test_the_lines_of_the_page_work_one_after_the_other(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    assert settle(root, batch(root / "february.jsonl", 1), "tickets").action == "promoted"
    service = f"service: {{mlflow_port: {free_port()}, prefect_port: {free_port()}}}"
    (root / "params.yaml").write_text(f"{PARAMS}\ngate: {{approval: always}}\n{service}\n")
    batch(root / "march.jsonl", 2)
    (root / "data" / "incoming" / "tickets").mkdir(parents=True)
    bin_ = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONPATH": os.getcwd()}

    def run(line: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", line], cwd=root, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    first, *others = lines()
    assert first == "ratchet up" and len(others) == 9
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        up = subprocess.Popen([first.split()[0], "up"], cwd=root, env=environment,
                              stdout=out, stderr=out, start_new_session=True)  # fmt: skip
    try:
        soon(lambda: up.poll() is not None or b"Ctrl-C ends it" in log.read_bytes(), UP_SECONDS)
        said = {}
        for line in others:
            if line.startswith("export "):
                environment["MLFLOW_TRACKING_USERNAME"] = "ann"
                environment["MLFLOW_TRACKING_PASSWORD"] = re.findall(
                    r"password: (\S+)", said["ratchet person add ann --role approver"]
                )[0]
                continue
            said[line] = run(line)
            if line.startswith("cp "):
                soon(lambda: views.versions(open_workspace(root).ledger, status="held"), 180)
        assert "answers" in said["ratchet up --status"]
        assert "ann" in said["ratchet status"]
        assert "read forty of them" in said["ratchet history"]
        assert up.wait(60) == 0
    finally:
        up.kill()
        up.wait()
