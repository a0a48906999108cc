from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.digest import bytes_digest, file_digest
from components.errors import Corrupted
from components.model.answering import deciding_parts, kind_of
from components.model.base import Base
from components.model.bundle import Bundle, json_part, open_bundle
from components.training.memory import remembered
from tests.made_bundles import made_bundle, resealed


@pytest.fixture(scope="module")
def taught(tmp_path_factory: Any, base: Any, settings: Any, make_rows: Any) -> Bundle:
    from components.training.candidate import Lesson, learn

    items = make_rows(["good", "bad"], 4)
    lesson = Lesson("a" * 64, items, None, {"default": "b" * 64}, "0" * 64, ())
    return learn(base, tmp_path_factory.mktemp("bundles"), lesson, settings)


@pytest.fixture
def bundle(taught: Bundle, tmp_path: Path) -> Bundle:
    shutil.copytree(taught.folder, tmp_path / taught.digest)
    return open_bundle(tmp_path, taught.digest)


def test_the_digest_pins_the_manifest_and_the_manifest_every_file(bundle: Bundle) -> None:
    manifest = (bundle.folder / "manifest.json").read_bytes()
    assert bytes_digest(manifest) == bundle.digest
    assert json.loads(manifest) == {
        path.relative_to(bundle.folder).as_posix(): file_digest(path)
        for path in bundle.folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def test_it_says_where_it_comes_from(bundle: Bundle) -> None:
    state = bundle.state
    assert (state["parent"], state["batch"]) == (None, "a" * 64)
    assert state["anchors"] == {"default": "b" * 64}
    assert state["base"]["name"] == "tiny"
    assert state["trained"] == {"new": {"default": 8}, "replayed": {}, "steps": 12}
    assert bundle.labels == ("bad", "good")
    assert {ref.batch for ref in remembered(bundle)} == {"a" * 64}


def test_it_holds_safetensors_and_json_alone(bundle: Bundle) -> None:
    files = [path for path in bundle.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert not any(b"/tmp" in path.read_bytes() for path in files)


def test_any_changed_byte_is_found_and_its_file_named(bundle: Bundle) -> None:
    for path in sorted(bundle.folder.rglob("*")):
        if path.is_file():
            kept = path.read_bytes()
            path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
            with pytest.raises(Corrupted, match=path.name):
                open_bundle(bundle.folder.parent, bundle.digest)
            path.write_bytes(kept)
    assert open_bundle(bundle.folder.parent, bundle.digest) == bundle


def remove_head(folder: Path) -> None:
    (folder / "head.safetensors").unlink()


def add_pickle(folder: Path) -> None:
    (folder / "adapter" / "extra.pkl").write_bytes(b"x")


def add_dangling_link(folder: Path) -> None:
    (folder / "adapter" / "link").symlink_to(folder / "nowhere")


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (remove_head, "head.safetensors is missing"),
        (add_pickle, "adapter/extra.pkl is not listed"),
        (add_dangling_link, "adapter/link is not listed"),
        (remove_manifest, "manifest.json is missing or unreadable"),
        (shutil.rmtree, "manifest.json is missing or unreadable"),
    ],
)
def test_missing_and_extra_files_are_refused_by_name(
    bundle: Bundle, harm: Callable[[Path], None], message: str
) -> None:
    harm(bundle.folder)
    with pytest.raises(Corrupted, match=message):
        open_bundle(bundle.folder.parent, bundle.digest)


def test_a_link_in_place_of_a_folder_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.folder / "adapter").rename(tmp_path / "elsewhere")
    (bundle.folder / "adapter").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Corrupted, match="adapter"):
        open_bundle(bundle.folder.parent, bundle.digest)


def test_a_part_answers_unless_it_is_declared_as_for_learning(base: Base, tmp_path: Path) -> None:
    parts = [json_part("router", "answers", [1]), json_part("fisher", "learns", [1])]
    made = made_bundle(base, tmp_path, more=parts)
    assert made.state["learning"] == ["fisher"]
    roles = {name: made.role(name) for name in made.files}
    assert [name for name, role in roles.items() if role == "learns"] == ["fisher.json"]
    assert roles["adapter/adapter_config.json"] == roles["router.json"] == "answers"
    assert made.answering()["files"].keys() == made.files.keys() - {"fisher.json", "state.json"}


def test_before_parts_had_roles_memory_and_strategy_were_for_learning(bundle: Bundle) -> None:
    named = bundle.answering()
    del bundle.state["learning"]
    assert bundle.answering() == named
    assert {bundle.role("memory.json"), bundle.role("strategy.safetensors")} == {"learns"}
    assert bundle.role("head.safetensors") == "answers"


def test_the_weight_of_a_version_is_that_of_what_answers(base: Base, tmp_path: Path) -> None:
    plain = made_bundle(base, tmp_path)
    learning = made_bundle(base, tmp_path, more=[json_part("fisher", "learns", "x" * 1000)])
    router = made_bundle(base, tmp_path, more=[json_part("router", "answers", "x" * 1000)])
    files = [plain.folder / name for name in plain.files if name != "state.json"]
    assert plain.answering_bytes() == sum(file.stat().st_size for file in files)
    assert learning.answering_bytes() == plain.answering_bytes()
    assert router.answering_bytes() == plain.answering_bytes() + 1003  # quotes and a line end


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning": ["adapter", "memory"]}, "`learning` names adapter"),
        ({"learning": ["head", "labels"]}, "`learning` names head, labels"),
        ({"learning": "memory"}, "`learning` is not a list"),
        ({"learning": [["memory"]]}, "`learning` is not a list"),
        ({"learning": None}, "`learning` is not a list"),
        ({"adapter": "lora"}, "`adapter.method`"),
        ({"base": {"name": "tiny"}}, "`base.digest`"),
        ({"head": ["linear"]}, "`head`"),
        ({"kind": ["classifier"]}, "`kind`"),
        ({"modality": 1}, "`modality`"),
        ({"serving": {"max_tokens": "128"}}, "`serving.max_tokens`"),
        ({"format": [3]}, "has format"),
        ({"format": None}, "has format"),
    ],
)
def test_a_state_that_does_not_say_what_it_must_is_refused_by_name(
    bundle: Bundle, changed: dict[str, Any], message: str
) -> None:
    digest = resealed(bundle, "state.json", json.dumps({**bundle.state, **changed}))
    with pytest.raises(Corrupted, match=message) as refused:
        open_bundle(bundle.folder.parent, digest)
    assert str(bundle.folder.parent / digest) in refused.value.message


@pytest.mark.parametrize("name", ["adapter", "base", "format", "head", "serving"])
def test_a_state_that_lacks_what_serves_is_refused_by_name(bundle: Bundle, name: str) -> None:
    left = {key: value for key, value in bundle.state.items() if key != name}
    digest = resealed(bundle, "state.json", json.dumps(left))
    with pytest.raises(Corrupted, match=name):
        open_bundle(bundle.folder.parent, digest)


@pytest.mark.parametrize("name", ["state.json", "labels.json", "manifest.json"])
@pytest.mark.parametrize("text", ["[[]]", "3", "null", "{", '{"a":[]}', "[" * 100_000])
def test_a_file_that_is_not_what_it_must_be_is_refused_by_name(
    bundle: Bundle, name: str, text: str
) -> None:
    digest = resealed(bundle, name, text)
    with pytest.raises(Corrupted, match=rf"{name}|has format"):
        open_bundle(bundle.folder.parent, digest)


def test_versions_of_an_earlier_format_that_answer_alike_have_the_same_key(
    base: Base, tmp_path: Path
) -> None:
    made = made_bundle(base, tmp_path, said={"modality": "text"})
    unsaid = ("kind", "learning", "modality")
    state = {name: value for name, value in made.state.items() if name not in unsaid}
    earlier = resealed(made, "state.json", json.dumps({**state, "format": 2}))
    twin = open_bundle(tmp_path, earlier)
    assert twin.answering() == made.answering()
    assert deciding_parts(twin, "any") == deciding_parts(made, "any")
    assert kind_of(twin) is kind_of(made)
