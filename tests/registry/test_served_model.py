"""What a stranger gets: MLflow, the requirements, the artifacts, and none of Ratchet's code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from mlflow import MlflowClient, pyfunc
from mlflow.exceptions import MlflowException

from components.demo.tiny_base import write_tiny_base
from components.items import make_item
from components.model.answering import answerer, predict
from components.model.base import Base, load_base
from components.model.bundle import Bundle
from components.model.placement import Placement
from components.model.serving import open_served
from components.registry import Registry
from components.settings import parse_settings
from components.training.candidate import Lesson, learn
from tests.made_bundles import submission_of

GOOD, BAD = ("lovely", "great", "fine"), ("awful", "broken", "late")
TEXTS = [f"{word} parcel {n}" for n in range(9) for word in (*GOOD, *BAD)]
ODD = ["", " ", "great " * 200, "emoji 🙂", "great\x00awful", *TEXTS]
LONE = "\ud800 lone"
"""No Unicode: MLflow's tables take no such string, Ratchet itself does."""
TWO = ["great parcel 1", "awful parcel 1"]
PLAIN = Placement("cpu", "float32", 128, 1)

STRANGER = """
import json, sys

class NoRatchet:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("components", "flows"):
            raise ImportError(name + " is out of a stranger's reach")

sys.meta_path.insert(0, NoRatchet())
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/intents@champion")
texts = json.loads(sys.stdin.read())
import pandas
answers = {
    "list": model.predict(texts),
    "frame": model.predict(pandas.DataFrame({"label": "?", "text": texts}, dtype=object)),
    "shares": model.predict(texts, params={"probabilities": True}),
    "sure": model.predict(texts, params={"threshold": float(sys.argv[2])}),
}
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Base, Bundle]:
    root = tmp_path_factory.mktemp("trained")
    write_tiny_base(root / "tiny", [*GOOD, *BAD, "parcel"])
    settings = parse_settings(
        {
            "model": {"base": "tiny", "max_tokens": 24},
            "strategy": {"method": "replay"},
            "training": {
                "threads": 1,
                "device": "cpu",
                "epochs": 6,
                "min_steps": 0,
                "head_learning_rate": 0.03,
            },
        },
        "test",
    )
    items = tuple(
        make_item(text, "good" if text.split()[0] in GOOD else "bad", "parcels") for text in TEXTS
    )
    base = load_base(settings.model, root)
    lesson = Lesson("b" * 64, items, None, {}, "0" * 64, ())
    return base, learn(base, root / "bundles", lesson, settings)


@pytest.fixture
def served(registry: Registry, trained: tuple[Base, Bundle]) -> Registry:
    base, bundle = trained
    registry.register(submission_of(base, bundle))
    registry.set_alias("champion", 1)
    return registry


def model_folder(registry: Registry) -> str:
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    return client.get_model_version_by_alias("intents", "champion").source.removeprefix("file://")


def test_a_stranger_gets_the_answers_that_the_scoring_gives(served, trained, tmp_path):
    base, bundle = trained
    expected = predict(base, bundle, ODD, PLAIN)
    assert ODD[2:] == [text for text in ODD if text.strip()]
    best = expected.probabilities.max(axis=1)
    threshold = float(best.min() + best.max()) / 2
    (tmp_path / "elsewhere").mkdir()
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    told = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, served.uri, str(threshold)],
        input=json.dumps(ODD),
        cwd=tmp_path / "elsewhere",
        env={**environment, "HF_HUB_OFFLINE": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
    )

    assert told.returncode == 0, told.stderr[-2000:]
    answers = json.loads(told.stdout)
    assert set(expected.labels) == {"good", "bad"}
    labels = [None, None, *expected.labels[2:]]
    assert answers["list"] == answers["frame"] == labels
    assert [row["label"] for row in answers["shares"]] == labels
    assert {row["bundle"] for row in answers["shares"]} == {bundle.digest[:12]}
    for row in answers["shares"][:2]:
        assert (row["probability"], row["probabilities"]) == (None, None)
    for row, wanted in zip(answers["shares"][2:], expected.probabilities[2:], strict=True):
        shares = [row["probabilities"][label] for label in expected.classes]
        assert shares == pytest.approx(wanted.tolist(), abs=1e-6)
        assert row["probability"] == max(shares)
    sure = [(row["probability"] or 0) >= threshold for row in answers["shares"]]
    assert True in sure and False in sure
    assert answers["sure"] == [
        label if each else None for label, each in zip(labels, sure, strict=True)
    ]
    [line] = told.stderr.splitlines()
    assert "Found extra inputs" in line and "['label']" in line  # MLflow's word on our table


def test_files_of_the_base_that_no_digest_covers_change_no_served_answer(trained, tmp_path):
    base, bundle = trained
    folder = Path(shutil.copytree(base.folder, tmp_path / "base"))
    about = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": False,
        "model_max_length": 4,
        "pad_token": "awful",
        "truncation_side": "left",
        "padding_side": "left",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    (folder / "special_tokens_map.json").write_text('{"additional_special_tokens": ["great"]}')
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    long = ["great " * 30 + "awful " * 30, "AWFUL " * 30 + "GREAT " * 30]
    served = open_served(bundle.folder, [str(folder)])
    assert served.predict(long) == ["good", "bad"]
    asked = [*long, *ODD[2:], LONE]  # the first two are blank
    assert served.predict(asked, True) == open_served(bundle.folder, [str(base.folder)]).predict(
        asked, True
    )
    assert served.predict(asked) == answerer(base, bundle, PLAIN).answer(asked).labels


@pytest.mark.parametrize(
    "asked",
    [
        ["great parcel 1", "awful parcel 1"],
        pandas.Series(["great parcel 1", "awful parcel 1"]),
        pandas.DataFrame({"text": ["great parcel 1", "awful parcel 1"]}, index=[7, 9]),
        pandas.DataFrame({"label": ["x", "y"], "text": ["great parcel 1", "awful parcel 1"]}),
        {"text": ["great parcel 1", "awful parcel 1"]},
    ],
    ids=["list", "series", "one column", "text among others", "dict"],
)
def test_texts_may_come_in_any_usual_form(served, asked):
    model = pyfunc.load_model(model_folder(served))

    assert model.predict(asked) == ["good", "bad"]
    assert model.predict("great parcel 1") == ["good"]
    assert model.predict({"text": "great parcel 1"}) == ["good"]
    assert model.predict(pandas.DataFrame({"text": []}, dtype=object)) == []


@pytest.mark.parametrize("nothing", ["", " ", None, float("nan")])
def test_a_blank_text_has_no_answer_and_the_others_keep_theirs(served, nothing):
    model = pyfunc.load_model(model_folder(served))
    asked = pandas.DataFrame({"text": ["great parcel 1", nothing, "awful parcel 1"]}, dtype=object)
    assert model.predict(asked) == ["good", None, "bad"]
    assert model.predict(asked.iloc[1:2]) == [None]


def test_a_label_less_probable_than_the_threshold_is_withheld_with_its_probability(served):
    model = pyfunc.load_model(model_folder(served))
    [row] = model.predict(["great parcel 1"], params={"probabilities": True})
    below, above = row["probability"] - 1e-6, row["probability"] + 1e-6

    assert row["label"] == "good" and above < 1
    assert model.predict(["great parcel 1"], params={"threshold": below}) == ["good"]
    assert model.predict(["great parcel 1"], params={"threshold": above}) == [None]
    both = {"threshold": above, "probabilities": True}
    assert model.predict(["great parcel 1"], params=both) == [{**row, "label": None}]
    with pytest.raises(ValueError, match=r"The threshold is 80.0; it is a probability"):
        model.predict(["great parcel 1"], params={"threshold": 80.0})


def test_the_model_says_what_it_is_asked_and_how(served):
    model = pyfunc.load_model(model_folder(served))

    signature = model.metadata.signature
    assert [each["name"] for each in signature.inputs.to_dict()] == [0, "text"]
    assert [each["name"] for each in signature.params.to_dict()] == ["probabilities", "threshold"]
    assert model.predict(model.input_example) == model.predict(["A text to classify."])


@pytest.mark.parametrize(
    "asked",
    [
        {"inputs": ["great parcel 1", "awful parcel 1"]},
        {"inputs": {"text": ["great parcel 1", "awful parcel 1"]}},
        {"instances": ["great parcel 1", "awful parcel 1"]},
        {
            "dataframe_split": {
                "columns": ["text"],
                "data": [["great parcel 1"], ["awful parcel 1"]],
            }
        },
        {
            "dataframe_split": {
                "columns": ["label", "text"],
                "data": [["?", "great parcel 1"], ["?", "awful parcel 1"]],
            }
        },
        {"dataframe_records": [{"text": "great parcel 1"}, {"text": "awful parcel 1"}]},
    ],
)
def test_mlflows_server_takes_every_form_of_json(served, asked):
    from fastapi.testclient import TestClient
    from mlflow.pyfunc.scoring_server import init

    client = TestClient(init(pyfunc.load_model(model_folder(served))))
    told = client.post("/invocations", json=asked)
    assert (told.status_code, told.json()) == (200, {"predictions": ["good", "bad"]})
    told = client.post("/invocations", json={**asked, "params": {"threshold": 1}})
    assert told.json() == {"predictions": [None, None]}


def test_a_moved_base_is_named_by_the_environment(served, trained, tmp_path, monkeypatch):
    moved = shutil.copytree(trained[0].folder, tmp_path / "moved")
    gone = {"base_folder": str(tmp_path / "nowhere"), "base": str(tmp_path / "never")}

    with pytest.raises(RuntimeError, match=r"nowhere \(not found\).*Set RATCHET_BASE"):
        pyfunc.load_model(model_folder(served), model_config=gone)
    monkeypatch.setenv("RATCHET_BASE", str(moved))
    model = pyfunc.load_model(model_folder(served), model_config=gone)
    assert model.predict(["great parcel 1", "awful parcel 1"]) == ["good", "bad"]


def test_a_base_with_other_weights_is_refused(served, tmp_path, monkeypatch):
    other = write_tiny_base(tmp_path / "other", ["parcel"], seed=5)

    with pytest.raises(RuntimeError, match=r"other \(other weights\)"):
        pyfunc.load_model(
            model_folder(served), model_config={"base_folder": str(other), "base": str(other)}
        )


@pytest.mark.parametrize("file", ["labels.json", "manifest.json", "adapter/extra.json"])
def test_a_changed_bundle_is_refused_by_name(served, file):
    (bundle,) = Path(model_folder(served)).glob("artifacts/*")
    target = bundle / file
    text = target.read_text(encoding="utf-8") if target.exists() else "{}"
    target.write_text(text + " ", encoding="utf-8")

    with pytest.raises(RuntimeError, match=f"not the one that was registered: {file}"):
        pyfunc.load_model(model_folder(served))


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (["fine", 7], "Text 1 is int"),
        (pandas.DataFrame({"a": ["x"], "b": ["y"]}), "There is no column 'text'"),
        (pandas.DataFrame({"a": ["x"]}), "There is no column 'text'"),
        (
            pandas.DataFrame([["good", "bad"]], columns=["text", "text"]),
            "2 columns are called 'text'",
        ),
    ],
)
def test_what_is_no_text_is_refused(served, trained, asked, complaint):
    base, bundle = trained
    with pytest.raises(ValueError, match=complaint):
        open_served(bundle.folder, [str(base.folder)]).predict(asked)
    with pytest.raises((ValueError, MlflowException)):
        pyfunc.load_model(model_folder(served)).predict(asked)
