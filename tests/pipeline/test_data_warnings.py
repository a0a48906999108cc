"""What a batch's rows hide: cut texts, an unknown script, one label alone, labels renamed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from components.evaluation.token_shares import token_shares
from components.items import Item, make_item
from components.ledger import views
from components.ledger.events import BatchValidated, TrainingBegun
from components.model.encoding import tokenise
from components.pipeline.data_warnings import tokens, warnings
from components.workspace.root import Workspace, open_workspace
from flows import steps
from tests.command import ratchet
from tests.server import Server
from tests.stream import BAD, FILLER, GOOD, copied, make_root, rows, settle, write_jsonl

KNOWN = frozenset({"pos", "neg"})
JAPANESE = "この商品はとても良いですまた買いたいと思います返品したいのですが手続きを教えてください"


def items(values: list[dict[str, Any]]) -> list[Item]:
    made = (make_item(row["text"], row["label"], row.get("task", "mood")) for row in values)
    return sorted(made, key=lambda item: item.digest)


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_workspace(make_root(tmp_path_factory.mktemp("plain") / "root"))


def quoted(share: float) -> list[dict[str, str]]:
    """Tickets of which a share quotes a long mail thread."""
    found = rows(1, 200)
    for row in found[: int(share * len(found))]:
        row["text"] += " " + " ".join(FILLER * 3)
    return found


def japanese(count: int = 60) -> list[dict[str, str]]:
    pick = random.Random(0)
    return [
        {"text": "".join(pick.sample(JAPANESE, 12)) + str(n), "label": pick.choice(["pos", "neg"])}
        for n in range(count)
    ]


def test_a_sound_batch_has_no_warning(ws: Workspace) -> None:
    assert warnings(ws, items(rows(1)), KNOWN) == []
    assert warnings(ws, items(rows(1)), frozenset()) == []
    assert warnings(ws, [], KNOWN) == []


def test_texts_that_are_cut_are_told_with_their_share_and_limit(ws: Workspace) -> None:
    found = tokens(ws, items(quoted(0.6)))
    assert found is not None and (found.texts, found.cut, found.unknown) == (200, 0.6, 0.0)
    [said] = warnings(ws, items(quoted(0.6)), KNOWN)
    assert said.startswith("60 % of the texts are cut") and "16 tokens" in said
    assert "`model.max_tokens`" in said and f"at most {found.long} tokens" in said


def test_a_text_counts_as_cut_exactly_where_a_version_cuts_it(ws: Workspace) -> None:
    folder = ws.base_folder()
    assert folder is not None
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))

    class OfTokenizer:
        pad_id = 0

    base: Any = OfTokenizer()
    base.tokenizer = tokenizer
    for words in range(10, 20):
        text = " ".join(FILLER[:10] * 2).split()[:words]
        [short], [whole] = (tokenise(base, [" ".join(text)], most) for most in (16, 1000))
        found = token_shares(folder, [" ".join(text)], 16)
        assert found.cut == float(short != whole) and found.long == len(whole)


def test_another_script_is_told_in_words(ws: Workspace) -> None:
    [said] = warnings(ws, items(japanese()), KNOWN)
    assert "unknown to the base ([UNK])" in said
    assert "another language or script than the base knows" in said and "`model.base`" in said


def test_a_script_in_pieces_smaller_than_a_letter_is_told_too(
    ws: Workspace, tmp_path: Path
) -> None:
    """Tokenizers of bytes know no unknown token: they cut what they do not know into bytes."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    root = copied(ws.root, tmp_path / "root")
    letters = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({each: n for n, each in enumerate(sorted(letters))}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(root / "base" / "tokenizer.json"))
    params = (root / "params.yaml").read_text().replace("max_tokens: 16", "max_tokens: 100")
    (root / "params.yaml").write_text(params)
    [said] = warnings(open_workspace(root), items(japanese()), KNOWN)
    assert "smaller than a letter" in said and "another language or script" in said
    assert warnings(open_workspace(root), items(rows(1)), KNOWN) == []


def imbalanced(rare: int, total: int = 1000) -> list[dict[str, str]]:
    pick = random.Random(7)
    words = [*GOOD, *BAD, *FILLER]
    return [
        {"text": " ".join(pick.choices(words, k=7)) + f" {n}", "label": "pn"[n < rare]}
        for n in range(total)
    ]


def test_imbalance_is_called_that_with_label_rows_and_what_the_exam_gets(ws: Workspace) -> None:
    [said] = warnings(ws, items(imbalanced(30)), frozenset("pn"))
    assert "Task mood is imbalanced: 97 % of its 1,000 rows are labelled 'p'" in said
    assert "only 30 have another one ('n')" in said and "About 6 of these are held out" in said
    assert "always answering 'p' is right in 97 % of what is: it adds little to what" in said


def test_a_label_for_each_row_is_told_as_a_wrong_column(ws: Workspace) -> None:
    own = [{**row, "label": f"ticket-{n}"} for n, row in enumerate(rows(1))]
    [said] = warnings(ws, items(own), KNOWN)
    assert said.startswith("There are 120 different labels in 120 rows")
    assert "may be an id" in said and "`data.label_column`" in said
    assert warnings(ws, items(own[:9]), KNOWN) == []


def test_four_fifths_of_one_label_are_no_warning(ws: Workspace) -> None:
    assert warnings(ws, items(imbalanced(200)), frozenset("pn")) == []


def test_a_label_that_is_spelt_like_a_known_one_is_told(ws: Workspace) -> None:
    renamed = [
        {**row, "label": {"pos": "POS", "neg": "negative?"}[row["label"]]} for row in rows(1)
    ]
    said = warnings(ws, items(renamed), KNOWN)
    assert len(said) == 1 and "'POS' is new; the champion knows 'pos'" in said[0]


def test_warnings_are_recorded_and_told_with_the_outcome(grown: Path) -> None:
    done = settle(grown, write_jsonl(grown / "b3.jsonl", quoted(0.6)))
    assert done.action != "refused" and "60 % of the texts are cut" in done.notes[0]
    ledger = open_workspace(grown).ledger
    events = [each.payload for each in views.told(ledger, BatchValidated)]
    assert events[0].warnings is None and events[-1].warnings == [done.notes[0]]


def test_warnings_are_said_before_anything_is_trained(grown: Path) -> None:
    ledger, heard = open_workspace(grown).ledger, list[tuple[str, int]]()

    def trainings() -> int:
        return len(views.told(ledger, TrainingBegun))

    before = trainings()
    token = steps.warn.set(lambda warning: heard.append((warning, trainings())))
    try:
        done = settle(grown, write_jsonl(grown / "b3.jsonl", quoted(0.6)))
    finally:
        steps.warn.reset(token)
    assert heard == [(done.notes[0], before)] and trainings() == before + 1


def test_a_warning_is_printed_at_once_and_once_and_stays_to_be_read(
    grown: Path, prefect_here: Server
) -> None:
    file = write_jsonl(grown / "b3.jsonl", quoted(0.6))
    ran = ratchet(grown, "run", file, "--task", "mood")

    assert ran.err.startswith("warning: 60 % of the texts are cut") and "are cut" not in ran.out
    explained = ratchet(grown, "version", "explain", "3", "--json").facts
    assert [each[:26] for each in explained["warnings"]] == ["60 % of the texts are cut:"]
    assert "About its data: 60 % of" in ratchet(grown, "version", "explain", "3").out
    page = Path(explained["report"]).read_text(encoding="utf-8")
    assert "60 % of the texts are cut" in page and "1 warning" in page
