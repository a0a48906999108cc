"""Settings: a typo is never a default, and every error says what would be legal."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from components.errors import ConfigError
from components.settings import Settings, load_settings, parse_settings

TEMPLATE = Path(__file__).parents[1] / "params.yaml"


def load(folder: Path, text: str | bytes) -> Settings:
    path = folder / "params.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_settings(path)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "{}", "training:\n", "gate: {checks: {size:}}", "\ufeff{}"]
)
def test_an_empty_file_is_a_working_one(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Settings()


def test_the_file_that_comes_with_ratchet_spells_out_every_default() -> None:
    import yaml

    assert load_settings(TEMPLATE) == Settings()
    told, wanted = yaml.safe_load(TEMPLATE.read_text()), Settings().model_dump()
    for section, name in (("adapter", "rate_factor"), ("strategy", "update_share")):
        assert told[section][name] is None, "each method has its own"
        wanted[section][name] = None
    assert told == wanted


ILLEGAL = {
    # text: every one of these must stand in the message
    "trainign: {}": ["unknown setting `trainign`", "allowed here: seed, model", "training"],
    "data: {labls: open}": ["unknown setting `data.labls` ('open')", "labels", "min_rows"],
    "model: {1: 2}": ["`model.1`", "keys should be strings"],
    "1: 2": ["`1` is 1", "keys should be strings"],
    "model: 3": ["`model` is 3", "allowed here: name, base, base_digest, max_tokens"],
    "seed: -1": ["`seed` is -1", "greater than or equal to 0"],
    "seed: null": ["`seed` is None", "valid integer"],
    "training: {epochs: x}": ["`training.epochs` is 'x'", "valid integer"],
    "training: {epochs: 1.5}": ["`training.epochs` is 1.5", "valid integer"],
    "training: {epochs: yes}": ["`training.epochs` is True", "YAML also reads yes"],
    "training: {device: gpu}": ["`training.device` is 'gpu'", "'auto', 'cpu' or 'cuda'"],
    "drift: {policy: maybe}": ["`drift.policy` is 'maybe'", "'ignore', 'note', 'hold' or 'reject'"],
    "drift: {policies: {psi: note}}": [
        "unknown setting `drift.policies.psi` ('note')",
        "domain_classifier, mmd, outliers, length, language, labels, new_labels",
    ],
    "drift: {policies: {labels: maybe}}": [
        "`drift.policies.labels` is 'maybe'",
        "'ignore', 'note', 'hold' or 'reject'",
    ],
    "drift: {policies: hold}": [
        "`drift.policies` is 'hold'",
        "allowed here: domain_classifier, mmd",
    ],
    "adapter: {layers: some}": [
        "`adapter.layers` is 'some'",
        "'all' or 'auto', or",
        "valid integer",
    ],
    "adapter: {target_modules: []}": [
        "`adapter.target_modules` is []",
        "'all-linear', or",
        "1 item",
    ],
    "data: {labels: [a]}": ["`data.labels` is ['a']", "'open', or", "at least 2 items"],
    "data: {labels: [yes, 7]}": ["`data.labels`", "item 1, True", "item 2, 7", "put it in quotes"],
    "data: {remote: 'file://there/path'}": [
        "`data.remote` is 'file://there/path'",
        "should be file:///",
    ],
    "data: {remote: ''}": ["`data.remote` is ''", "at least 1 character"],
    "registry: {experiment: ''}": ["`registry.experiment` is ''", "at least 1 character"],
    f"registry: {{experiment: {'x' * 257}}}": ["`registry.experiment`", "at most 256 characters"],
    "model: {name: ''}": ["`model.name` is ''", "[A-Za-z0-9_-]{1,200}"],
    "model: {name: a/b}": ["`model.name` is 'a/b'", "[A-Za-z0-9_-]{1,200}"],
    f"model: {{name: {'x' * 201}}}": ["`model.name`", "[A-Za-z0-9_-]{1,200}"],
    "model: {base_digest: abc}": ["`model.base_digest` is 'abc'", "[0-9a-f]{64}"],
    "gate: {alpha: .nan}": ["`gate.alpha` is nan", "less than 0.5"],
    "gate: {margin_points: .inf}": ["`gate.margin_points` is inf", "less than or equal to 100"],
    "gate: {checks: {clases: {}}}": ["unknown setting `gate.checks.clases`", "floors, classes"],
    "gate: {checks: {size: {policy: x}}}": ["`gate.checks.size.policy` is 'x'", "'note', 'hold'"],
    "gate: {checks: {floors: {percent: {mail: 300}}}}": [
        "`gate.checks.floors.percent`",
        "'mail', 300, should be less than or equal to 100",
    ],
    "gate: {checks: {floors: {percent: {mail: yes}}}}": ["'mail' is true or false"],
    "gate: {checks: {size: {max_megabytes: .inf}}}": ["`gate.checks.size.max_megabytes` is inf"],
    "trainign:": ["unknown setting `trainign`"],
    "strategy: {replay_ratio: .nan}": ["`strategy.replay_ratio` is nan"],
    # sections that `method` chooses
    "strategy: 3": ["`strategy` is 3", "allowed here: method, update_share, features"],
    "strategy: {method: rehearsal}": ["`strategy.method` is 'rehearsal'", "'replay'", "'ewc'"],
    "strategy: {method: null}": ["`strategy.method` is None", "'sequential'"],
    "strategy: {method: [none]}": ["`strategy.method` is ['none']", "'sequential'"],
    "adapter: {method: dora, rank: 4}": ["`adapter.method` is 'dora'", "'lora'"],
    "strategy: {metod: none}": ["unknown setting `strategy.metod` ('none')", "memory_items"],
    "strategy: {method: sequential, ewc: 1}": [
        "unknown setting `strategy.ewc` (1): allowed here: method, update_share."
    ],
    "strategy: {method: sequential, update_share: 2}": [
        "`strategy.update_share` is 2",
        "equal to 1",
    ],
    "strategy: {parent_mix: 0.5, update_share: 0.5}": [
        "`strategy.parent_mix` is the former name of `strategy.update_share`, and both",
    ],
    "strategy: {parent_mix: 2}": [
        "`strategy.update_share` is 2",
        "`strategy.parent_mix` is now called `strategy.update_share`",
    ],
    # pairs that contradict each other
    "data: {min_rows: 9, max_rows: 3}": ["min_rows (9) is above max_rows (3)"],
    "data: {min_text_chars: 9, max_text_chars: 3}": ["min_text_chars (9) is above"],
    "data: {min_labels: 3, labels: [a, b]}": ["min_labels (3) is above", "labels (2)"],
    "data: {labels: [a, b, a]}": ["labels lists one twice"],
    "data: {slice_columns: [text]}": ["slice_columns must not repeat a column"],
    "data: {text_column: x, label_column: x}": ["can't share a column", "'x', 'x', 'task'"],
    "gate: {margin_points: 7}": ["margin_points (7.0) is above anchor_margin_points (6.0)"],
    # no YAML that Ratchet reads
    "seed: 1\nseed: 2": ["line 2", "the key `seed` occurs twice"],
    "data:\n  min_rows: 5\n  min_rows: 6": ["line 3", "the key `min_rows` occurs twice"],
    "data: {}\nseed: 1\ndata: {}": ["the key `data` occurs twice"],
    "? [a]\n: 1": ["unhashable key"],
    "a: [": ["cannot be read", "line 1"],
    "--- {}\n--- {}": ["cannot be read", "single document"],
    "!!python/object/apply:os.getcwd []": ["cannot be read", "constructor"],
    "data: {labels: !!set {a, b}}": ["line 1", "`!!set`", "write a list, a mapping or text"],
    "data: {labels: !!omap [a: 1]}": ["`!!omap`"],
    "data: {labels: !!pairs [a: 1]}": ["`!!pairs`"],
    "model: {name: !!binary aGk=}": ["`!!binary`"],
    "[1, 2]": ["holds list, not a mapping"],
    "text": ["holds str, not a mapping"],
}


@pytest.mark.parametrize("text", ILLEGAL)
def test_an_error_names_field_value_and_what_would_be_legal(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert [part for part in ILLEGAL[text] if part not in caught.value.message] == []
    assert str(tmp_path / "params.yaml") in caught.value.message
    assert caught.value.remedy


def test_all_wrong_fields_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "seed: x\ntraining: {epochs: 0, epoch: 3}\ngate: {approval: never}")
    for field in ("`seed`", "`training.epochs`", "`training.epoch`", "`gate.approval`"):
        assert field in caught.value.message


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ratchet init"):
        load_settings(tmp_path / "params.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path)
    with pytest.raises(ConfigError, match="utf-8"):
        load(tmp_path, b"model: {name: caf\xe9}")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, "a: \0")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, "[" * 100_000)


def test_a_number_without_a_point_in_its_exponent_is_a_number(tmp_path: Path) -> None:
    assert load(tmp_path, "training: {learning_rate: 1e-4}").training.learning_rate == 1e-4


def test_merged_yaml_keys_may_be_written_over(tmp_path: Path) -> None:
    found = load(tmp_path, "training: &t {epochs: 7}\ndrift: {alpha: 0.02}\n")
    assert (found.training.epochs, found.drift.alpha) == (7, 0.02)


def test_a_drift_check_without_a_policy_of_its_own_has_the_common_one(tmp_path: Path) -> None:
    drift = load(tmp_path, "drift: {policy: hold, policies: {labels: ignore, mmd: reject}}").drift
    told = [drift.policy_of(check) for check in ("labels", "mmd", "concept")]
    assert told == ["ignore", "reject", "hold"]
    assert "labels" not in drift.wanted and len(drift.wanted) == 9


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().gate.alpha = 0.5


def leaves(model: BaseModel, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        found += leaves(value, (*at, name)) if isinstance(value, BaseModel) else [(*at, name)]
    return found


@given(st.sampled_from(leaves(Settings())), st.sampled_from([object(), {}, [{}], True, b"\xff"]))
def test_whatever_stands_in_a_field_is_legal_or_a_config_error_naming_it(
    place: tuple[str, ...], value: object
) -> None:
    if place[-1] == "percent" and value == {}:
        return  # no task has a floor
    nested: object = value
    for name in reversed(place):
        nested = {name: nested}
    with pytest.raises(ConfigError, match=rf"`{'.'.join(place)}`"):
        parse_settings(nested, "here")


def test_the_name_of_a_task_has_one_unicode_form() -> None:
    composed, split = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    floors = {"checks": {"floors": {"percent": {split: 80}}}}
    read = parse_settings({"data": {"tasks": [split]}, "gate": floors}, "here")
    assert read.data.tasks == [composed]
    assert read.gate.checks.floors.percent == {composed: 80}
    with pytest.raises(ConfigError, match="tasks lists one twice"):
        parse_settings({"data": {"tasks": [split, composed]}}, "here")
    floors["checks"]["floors"]["percent"] = {split: 80, composed: 90}
    with pytest.raises(ConfigError, match="names a task twice"):
        parse_settings({"gate": floors}, "here")


def test_null_is_the_methods_own_default_whichever_it_is() -> None:
    for method, rate in (("lora", 1.0), ("prompt", 10.0), ("full", 0.025)):
        found = parse_settings({"adapter": {"method": method, "rate_factor": None}}, "here").adapter
        assert found.rate_factor == rate
    for method, share in (("replay", 0.6), ("sequential", 1.0)):
        values = {"strategy": {"method": method, "update_share": None}}
        assert parse_settings(values, "here").strategy.update_share == share
