from __future__ import annotations

import subprocess
import sys

import pytest

from components.report import Matrix, plots

PNG = b"\x89PNG\r\n\x1a\n"
ROW = {
    "check": "forgetting",
    "exam": "cost in $ and $",
    "outcome": "PASS",
    "effect_points": 1.0,
    "lower_points": -1.0,
    "upper_points": 2.0,
    "margin_points": 3.0,
}


@pytest.mark.parametrize(
    "matrix",
    [
        Matrix(
            ["v1", "v2"], ["a", "cost in $ and $x^$"], [9, 9], [9, 9], [[0.5, None], [0.6, 0.9]]
        ),
        Matrix(["v1"], ["a"], [9], [9], [[None]]),
        Matrix([f"v{n}" for n in range(300)], ["a"], [9], [9], [[0.5]] * 300),
    ],
    ids=["usual", "nothing known", "very long"],
)
def test_a_matrix_is_drawn(tmp_path, matrix):
    plots.accuracy_matrix(matrix, tmp_path / "plots" / "matrix.png")

    assert (tmp_path / "plots" / "matrix.png").read_bytes().startswith(PNG)


def test_changes_are_drawn_without_what_is_missing(tmp_path):
    missing = dict.fromkeys(ROW) | {"check": "forgetting", "exam": "b", "outcome": "MISSING"}

    assert plots.changes([ROW, missing], tmp_path / "changes.png")
    assert (tmp_path / "changes.png").read_bytes().startswith(PNG)


def test_no_file_is_written_where_there_is_nothing_to_draw(tmp_path):
    assert not plots.changes([ROW | {"check": "learned"}], tmp_path / "changes.png")
    assert not list(tmp_path.iterdir())


def test_importing_the_room_imports_neither_matplotlib_nor_jinja():
    code = (
        "import sys, components.report, components.report.plots;"
        "sys.exit(bool({'matplotlib', 'jinja2'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
