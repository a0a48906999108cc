"""Rooms that each have a row for a modality: they name the same ones, and texts are the only."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from components.data.expectations import run_checks
from components.data.modality import MODALITIES
from components.errors import ConfigError
from components.evaluation.drift import DRIFT_CHECKS, examine
from components.identity import FORMS
from components.items import make_item, to_json
from components.ledger import views
from components.model.answering import load_version
from components.model.bundle import open_bundle
from components.model.encoding import ENCODERS
from components.settings import DataSettings
from components.workspace.root import open_workspace
from tests.evaluation.sides import RULES, compared, side


def test_every_room_has_a_row_for_every_modality() -> None:
    assert {form.modality for form in FORMS.values()} == set(MODALITIES) == set(ENCODERS)
    assert {check.only for check in DRIFT_CHECKS} - {None} <= set(MODALITIES)


@pytest.mark.parametrize("name", MODALITIES)
def test_a_modality_checks_columns_that_it_gives(name: str) -> None:
    modality, contract = MODALITIES[name], DataSettings()
    columns = modality.columns([modality.read({modality.column(contract): "a b"}, contract), None])
    own = modality.checks(contract)
    checks = [check for each in fields(own) for check in getattr(own, each.name)]
    found = run_checks(columns, checks)
    assert {row for outcome in found for row in outcome.rows} == {1}, "only the missing one fails"


def test_an_item_is_kept_under_the_name_of_its_modality() -> None:
    item = make_item("a", "b", "t")
    assert item.modality == "text" and to_json(item)["text"] == item.content


def test_drift_checks_that_read_texts_pass_other_contents_over() -> None:
    texts = [f"word voucher {place}" for place in range(100)]
    told = compared(side(1, 100), side(2, 100, 2.0, texts=texts))
    named = examine(told, RULES, 0)
    other = examine(replace(told, modality="image"), RULES, 0)
    assert {each.name for each in named.findings} - {each.name for each in other.findings} == {
        "length", "language",
    }  # fmt: skip
    assert named.words.more and not other.words.more


def test_a_version_names_what_it_answers_to_and_an_unknown_kind_is_refused(grown: Path) -> None:
    ws = open_workspace(grown)
    champion = views.champion(ws.ledger)
    assert champion is not None
    bundle = open_bundle(ws.bundles, champion.bundle)
    assert bundle.state["modality"] == "text"
    other = replace(bundle, state={**bundle.state, "modality": "image"})
    with pytest.raises(ConfigError, match="modality 'image'; this version of Ratchet has text"):
        load_version(ws.base, other)
