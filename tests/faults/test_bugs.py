"""Each planted bug is found by its recorded seed; without it the same seed finds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.bugs import BUGS, LIMIT

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def test_each_planted_bug_is_found_and_nothing_without_it(tmp_path: Path) -> None:
    code = (
        "import json, sys, pathlib\n"
        "from tests.faults.__main__ import isolate\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "isolate(folder)\n"
        "from tests.faults.bugs import prove_all\n"
        "found = prove_all(folder, 2)\n"
        "(folder / 'found.json').write_text(json.dumps(found))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=REPOSITORY)
    found = json.loads((tmp_path / "found.json").read_text())
    assert [proof["bug"] for proof in found] == list(BUGS)
    for proof in found:
        assert proof["found_as_recorded"] and proof["operations_with"] <= LIMIT, proof
