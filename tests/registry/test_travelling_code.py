"""The code that travels inside each version: every kind of version, versions beside each other."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from mlflow import pyfunc

from components.demo.tiny_base import write_tiny_base
from components.items import make_item
from components.model.adapters import METHODS
from components.model.answering import predict
from components.model.base import Base, read_base
from components.model.base_lookup import base_digest
from components.model.bundle import Bundle
from components.model.heads import HEADS
from components.model.libraries import LIBRARIES
from components.model.prediction import Prediction
from components.registry import packaging
from components.settings import Settings
from components.training.candidate import Lesson, learn
from tests.made_bundles import PLAIN, copied_code, made_bundle, settings_for, submission_of
from tests.tiny_model import made_base

GOOD, BAD = ("lovely", "great", "fine"), ("awful", "broken", "late")
TEXTS = [f"{word} parcel {n}" for n in range(3) for word in (*GOOD, *BAD)]
ODD = ["", " ", "great " * 200, "emoji 🙂", "great\x00awful", "\u0301", *TEXTS]
"""The first two are blank: the gate never sees such texts, and served they have no answer."""
MORE_METHODS = Path(__file__).with_name("more_methods.py")
MORE = ("plain ia3", "ia3, merged", "dora, merged", "prompt tuning")
MORE_HEADS_FILE = Path(__file__).with_name("more_heads.py")
MORE_HEADS = ("cosine",)

STRANGER = """
import json, sys

class NoRatchet:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("components", "flows"):
            raise ImportError(name + " is out of a stranger's reach")

sys.meta_path.insert(0, NoRatchet())
import mlflow
given = json.loads(sys.stdin.read())
answers = {}
for name, folder in given["folders"].items():
    model = mlflow.pyfunc.load_model(folder)
    answers[name] = model.predict(given["texts"], params={"probabilities": True})
    assert model.predict(given["texts"]) == [row["label"] for row in answers[name]]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = write_tiny_base(tmp_path_factory.mktemp("base") / "tiny", [*GOOD, *BAD, "parcel"])
    return read_base("tiny", base_digest(folder), folder)


@pytest.fixture(scope="module")
def more() -> Iterator[None]:
    """Put further rows into this process's tables, from the files that a copy gets as well."""
    methods = rows_of(MORE_METHODS, "components.model.adapters.more")
    heads = rows_of(MORE_HEADS_FILE, "components.model.heads.more")
    assert (tuple(methods), tuple(heads)) == (MORE, MORE_HEADS)
    with pytest.MonkeyPatch.context() as patch:
        for name, method in methods.items():
            patch.setitem(METHODS, name, method)
        for name, head in heads.items():
            patch.setitem(HEADS, name, head)
        yield


def rows_of(file: Path, name: str) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows: dict[str, Any] = module.ROWS
    return rows


def packed(base: Base, bundle: Bundle, target: Path, components: Path | None = None) -> Path:
    """Write a version's model folder, with other code than this process's where it is given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packaging, "COMPONENTS", components or packaging.COMPONENTS)
        packaging.write_model(target, submission_of(base, bundle))
    return target


def gate(base: Base, bundle: Bundle) -> Prediction:
    return predict(base, bundle, ODD, PLAIN)


def code_of(model: Path) -> Path:
    [package] = (model / "code").iterdir()
    return package


KINDS = [
    *((method, "linear") for method in (*METHODS, *MORE)),
    *(("lora", head) for head in (*HEADS, *MORE_HEADS) if head != "linear"),
    *((strategy, method) for strategy in ("experts", "pool") for method in ("lora", "prompt")),
]
"""Every row of the tables, so a new one is tested without a change here; and every kind of version,
by a strategy that makes it."""

ITEMS = tuple(
    make_item(f"{word} parcel {n}", label, task)
    for task in ("one", "two")
    for label, words in (("good", GOOD), ("bad", BAD))
    for word in words
    for n in range(4)
)


@pytest.fixture(scope="module")
def told(
    base: Base, more: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Bundle, Base, list[dict[str, Any]]]]:
    """What a stranger gets from a version of each kind: {kind: (bundle, its base, answers)}."""
    place = tmp_path_factory.mktemp("table")
    longer = copied_code(place / "longer")
    for file, room, table in (
        (MORE_METHODS, "adapters", "METHODS"),
        (MORE_HEADS_FILE, "heads", "HEADS"),
    ):
        shutil.copy(file, longer / "model" / room / "more.py")
        with (longer / "model" / room / "__init__.py").open("a") as rows:
            rows.write(f"\nfrom . import more\n\n{table} |= more.ROWS\n")
    bundles, folders, bases = {}, {}, {}
    others = [made_base(base.folder, place / kind, kind) for kind in ("biased", "decoder")]
    for number, (method, head) in enumerate(KINDS):
        name = f"{method} {head}"
        code = longer if method in MORE or head in MORE_HEADS else None
        if method in ("experts", "pool"):
            own, bundles[name] = base, taught(base, place / "bundles", method, head)
        else:
            fits = METHODS[method].refusal
            own = next(b for b in (base, *others) if not fits(b.model, settings_for(method)))
            drawn = (made_bundle(own, place / "bundles", method, head, seed) for seed in range(99))
            bundles[name] = next(each for each in drawn if len(set(gate(own, each).labels)) > 1)
        bases[name] = own
        folders[name] = str(packed(own, bundles[name], place / str(number), code))
    answers = by_a_stranger(folders, place)
    return {name: (bundle, bases[name], answers[name]) for name, bundle in bundles.items()}


def taught(base: Base, bundles: Path, strategy: str, method: str) -> Bundle:
    """Return a version that a strategy learned in two lessons."""
    settings = Settings.model_validate(
        {
            "model": {"max_tokens": 24},
            "adapter": {"method": method},
            "strategy": {"method": strategy},
            "training": {"device": "cpu", "threads": 1, "min_steps": 20, "precision": "float32"},
        }
    )
    bundle = None
    for task in ("one", "two"):
        items = tuple(item for item in ITEMS if item.task == task)
        lesson = Lesson(task * 20, items, bundle, {}, "0" * 64, ())
        bundle = learn(base, bundles, lesson, settings)
    assert bundle is not None
    return bundle


def by_a_stranger(folders: dict[str, str], place: Path) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER],
        input=json.dumps({"folders": folders, "texts": ODD}),
        cwd=place,
        env={**environment, "HF_HUB_OFFLINE": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_a_stranger_gets_from_every_kind_of_version_what_the_gate_saw(
    told: dict[str, Any], kind: tuple[str, str]
) -> None:
    bundle, own, answers = told[" ".join(kind)]
    seen = gate(own, bundle)
    assert [row["label"] for row in answers] == [None, None, *seen.labels[2:]]
    for row, wanted in zip(answers[2:], seen.probabilities[2:], strict=True):
        assert list(row["probabilities"].values()) == pytest.approx(wanted.tolist(), abs=1e-5)
        assert row["probability"] == max(row["probabilities"].values())


def test_versions_with_different_code_answer_beside_each_other_each_by_its_own(
    base: Base, tmp_path: Path
) -> None:
    bundle = made_bundle(base, tmp_path / "bundles")
    other = copied_code(tmp_path / "other")
    encoding = other / "model" / "encoding.py"
    mean = "(each * weights).sum(1) / weights.sum(1)"
    text = encoding.read_text(encoding="utf-8")
    assert mean in text
    encoding.write_text(text.replace(mean, "(each * weights).sum(1)"), encoding="utf-8")
    models = [
        pyfunc.load_model(str(packed(base, bundle, tmp_path / name, code)))
        for name, code in {"first": None, "second": other, "third": None}.items()
    ]

    sums, means = (shares(models[place]) for place in (1, 0))
    seen = predict(base, bundle, TEXTS, PLAIN)
    assert means == pytest.approx(seen.probabilities.ravel().tolist(), abs=1e-5)
    assert shares(models[2]) == means
    spec = importlib.util.spec_from_file_location(
        "other", other / "__init__.py", submodule_search_locations=[str(other)]
    )
    assert spec is not None
    sys.modules["other"] = importlib.util.module_from_spec(spec)
    by_hand = importlib.import_module("other.model.serving")
    answered = by_hand.open_served(bundle.folder, [str(base.folder)]).predict(TEXTS, True)
    assert sums == [share for row in answered for share in row["probabilities"].values()]
    assert max(abs(a - b) for a, b in zip(sums, means, strict=True)) > 0.1


def shares(model: Any) -> list[float]:
    rows = model.predict(TEXTS, params={"probabilities": True})
    return [share for row in rows for share in row["probabilities"].values()]


def test_a_process_that_has_ratchet_gets_the_copy_and_a_loaded_copy_leaves_no_trace(
    base: Base, tmp_path: Path
) -> None:
    bundle, before = made_bundle(base, tmp_path / "bundles"), list(sys.path)
    folder = packed(base, bundle, tmp_path / "model")
    files = sorted(path for path in folder.rglob("*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", False)
        served = pyfunc.load_model(str(folder)).unwrap_python_model().served
        assert sys.dont_write_bytecode is False
    assert type(served).__module__ == f"{code_of(folder).name}.model.serving"
    assert sorted(path for path in folder.rglob("*")) == files
    assert sys.path == before


def test_what_runs_is_what_was_checked_and_nothing_of_the_process_is_switched(
    base: Base, tmp_path: Path
) -> None:
    bundle, other = made_bundle(base, tmp_path / "bundles"), copied_code(tmp_path / "other")
    with (other / "model" / "__init__.py").open("a") as first:
        first.write(
            "import os, sys\nfrom pathlib import Path\nSWITCHED = sys.dont_write_bytecode\n"
            "Path(os.environ['REGISTERED'], 'encoding.py').write_text('raise AssertionError')\n"
        )
    folder, before = packed(base, bundle, tmp_path / "model", other), list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", False)
        patch.setenv("REGISTERED", str(code_of(folder) / "model"))
        model = pyfunc.load_model(str(folder))
    assert model.predict(TEXTS) == predict(base, bundle, TEXTS, PLAIN).labels
    assert sys.modules[f"{code_of(folder).name}.model"].SWITCHED is False
    assert sys.path == before
    assert not list(folder.rglob("*.pyc"))


def changed(package: Path) -> None:
    with (package / "model" / "encoding.py").open("a") as file:
        file.write("\nMEAN = False\n")


def missing(package: Path) -> None:
    (package / "model" / "encoding.py").unlink()


def linked_away(package: Path) -> None:
    file = package / "model" / "encoding.py"
    file.unlink()
    file.symlink_to(package / "nowhere")


def compiled(package: Path) -> None:
    cached = package / "model" / "__pycache__" / "encoding.cpython-311.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"planted")


def beside(package: Path) -> None:
    (package.parent / "torch.py").write_text("raise AssertionError('planted code was run')")


def linked_folder(package: Path) -> None:
    (package / "model" / "more").symlink_to(package / "model" / "heads")


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (changed, "model/encoding.py"),
        (missing, "model/encoding.py"),
        (linked_away, "model/encoding.py"),
        (compiled, "model/__pycache__/encoding.cpython-311.pyc"),
        (beside, "torch.py"),
        (linked_folder, "model/more"),
    ],
)
def test_code_that_was_not_registered_is_refused_by_name_and_never_run(
    base: Base, tmp_path: Path, harm: Any, named: str
) -> None:
    bundle, before = made_bundle(base, tmp_path / "bundles"), list(sys.path)
    folder = packed(base, bundle, tmp_path / "model")
    harm(code_of(folder))
    with pytest.raises(RuntimeError, match=f"not the one that was registered: .*{named} changed"):
        pyfunc.load_model(str(folder))
    assert sys.path == before


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (
            {"kind": "oracle"},
            "the kind 'oracle'; this version of Ratchet has classifier, experts, pool",
        ),
        (
            {"adapter": {"method": "magic"}},
            "the adapter method 'magic'; this version of Ratchet has",
        ),
        (
            {"head": "many"},
            "the head 'many'; this version of Ratchet has fourier, linear, plain, projected",
        ),
    ],
    ids=["kind", "method", "head"],
)
def test_a_version_of_a_kind_that_its_code_does_not_know_is_refused(
    base: Base, tmp_path: Path, said: dict[str, Any], complaint: str
) -> None:
    bundle = made_bundle(base, tmp_path / "bundles", said=said)
    folder = packed(base, bundle, tmp_path / "model")
    with pytest.raises(
        RuntimeError, match=rf"{complaint}.* Use the version of Ratchet that wrote it"
    ):
        pyfunc.load_model(str(folder))


def reaching_outside(package: Path) -> list[str]:
    """Return every import of Ratchet's that leads out of the package, those for types apart."""
    found = []
    for file in sorted(package.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        typed = {
            id(node) for block in ast.walk(tree) if for_types(block) for node in ast.walk(block)
        }
        for node in ast.walk(tree):
            if id(node) not in typed and isinstance(node, ast.Import | ast.ImportFrom):
                found += [f"{file.name}: {name}" for name in outside(node, file, package)]
    return found


def for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def outside(node: ast.Import | ast.ImportFrom, file: Path, package: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [a.name for a in node.names if a.name.partition(".")[0] in ("components", "flows")]
    if node.level == 0:
        own = str(node.module).partition(".")[0] in ("components", "flows")
        return [str(node.module)] if own else []
    above = file.parents[node.level - 1]
    target = above.joinpath(*(node.module or "").split("."))
    inside = target == package or package in target.parents
    if inside and (target.is_dir() or target.with_suffix(".py").is_file()):
        return []
    return ["." * node.level + (node.module or "")]


def test_what_travels_needs_nothing_else_of_ratchet(tmp_path: Path) -> None:
    package = copied_code(tmp_path / "package")
    assert reaching_outside(package) == []
    with (package / "model" / "bundle.py").open("a") as file:
        file.write("def late():\n    from ..items import Item\n    from components import clock\n")
    assert reaching_outside(package) == ["bundle.py: ..items", "bundle.py: components"]


def test_the_package_is_called_by_what_is_in_it(tmp_path: Path) -> None:
    with packaging.travelling_code(packaging.COMPONENTS) as first:
        pass
    with packaging.travelling_code(copied_code(tmp_path / "same")) as again:
        pass
    changed(tmp_path / "same")
    with packaging.travelling_code(tmp_path / "same") as other:
        pass
    assert first.name == again.name != other.name


def test_a_version_pins_every_library_that_decides_its_answers() -> None:
    pinned = {name.partition("==")[0]: name for name in packaging.requirements()}
    wanted = {name: f"{name}=={version(name).partition('+')[0]}" for name in LIBRARIES}
    assert pinned | wanted == pinned
