"""What people should know of a batch's rows although the contract lets them in.

Concept: faults that no check of a single row can find and that make a good version look bad:
texts that are cut, texts in a script that the base does not know, one label that is nearly all
there is, a label for each row, labels that were renamed, and rows that were learned with another
label: of these no check asks the champion, which has seen their texts. `warnings` says each in one
sentence, with what to do.

Promise: only what is worth knowing is said; a sound batch has no warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from difflib import get_close_matches
from typing import TYPE_CHECKING

from components.data.source_file import shown
from components.errors import Corrupted
from components.evaluation.cause import percent
from components.items import Item, read_items
from components.ledger import views
from components.pipeline.held_out_share import held_out_shares
from components.workspace.batch_files import items_path
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.token_shares import TokenShares

CUT, UNKNOWN, IMBALANCED, RELABELLED = 0.1, 0.05, 0.9, 0.1
"""Shares from which a warning is given: texts cut, tokens unknown, rows with one label, rows that
came in before with another label."""

PER_LETTER = 1.1
"""Tokens a letter above which a base has no pieces for a script: English has 0.2, German 0.3,
Chinese on a base that knows it up to 1."""

SCATTERED = 10
"""Labels from which a warning is given where more than half of the rows have one of their own."""

ALIKE = 0.8
"""How alike two labels must be spelt (0 to 1) for one to pass as the other's new name."""


def warnings(ws: Workspace, items: Sequence[Item], known_labels: Set[str]) -> list[str]:
    """Return what is worth knowing of accepted items, a sentence each.

    `known_labels`: the champion's.
    """
    found = tokens(ws, items)
    return [*notes(ws, items, found), *doubts(ws, items, found, known_labels)]


def notes(ws: Workspace, items: Sequence[Item], found: TokenShares | None) -> list[str]:
    """Return those of the warnings that are no reason to wait: rows may be right as they are."""
    return [*_cut(found), *_imbalance(ws, items)]


def doubts(
    ws: Workspace, items: Sequence[Item], found: TokenShares | None, known: Set[str]
) -> list[str]:
    """Return those of the warnings for which people should look at the rows before a run."""
    found_labels = {item.label for item in items}
    return [
        *_unreadable(found),
        *_scattered(items),
        *_relabelled(ws, items),
        *_renamed(found_labels, known),
    ]


def readable(found: TokenShares | None) -> bool:
    """Return whether the base knows the script: of texts that it can't read, it knows nothing."""
    return not list(_unreadable(found))


def tokens(ws: Workspace, items: Sequence[Item]) -> TokenShares | None:
    """Return what the base makes of the texts; None without texts, or without a base here.

    The items' order must say nothing about them: validation sorts them by digest.
    """
    folder = ws.base_folder()
    texts = [item.content for item in items if item.modality == "text"]
    if folder is None or not texts:
        return None
    from components.evaluation.token_shares import token_shares

    return token_shares(folder, texts, ws.settings.model.max_tokens)


def _cut(found: TokenShares | None) -> Iterable[str]:
    if found is not None and found.cut >= CUT:
        cut = percent(found.cut)
        yield (
            f"{cut} of the texts are cut: a version reads {found.max_tokens} tokens of "
            f"a text and nothing of what comes after; 19 of 20 texts have at most {found.long:,} "
            "tokens. Raise `model.max_tokens` as far as the base allows, or put what matters first."
        )


def _unreadable(found: TokenShares | None) -> Iterable[str]:
    if found is None:
        return
    script = "another language or script than the base knows"
    do = "Use a base that knows it (a new root with another `model.base`), or leave these rows out."
    if found.unknown >= UNKNOWN:
        unknown = percent(found.unknown)
        yield (
            f"{unknown} of the tokens are unknown to the base ([UNK]): the texts are "
            f"in {script}, and many of them look alike to it. {do}"
        )
    elif found.per_letter > PER_LETTER:
        yield (
            f"The base cuts the texts into pieces smaller than a letter ({found.per_letter:.1f} "
            f"tokens a letter): they are in {script}. {do}"
        )


def _scattered(items: Sequence[Item]) -> Iterable[str]:
    """Tell that most labels stand once: such a column is no label."""
    labels = len({item.label for item in items})
    if labels >= SCATTERED and 2 * labels > len(items):
        yield (
            f"There are {labels:,} different labels in {len(items):,} rows, so most of them can't "
            "be learned. The label column may be an id: name the right one in `data.label_column` "
            "or `data.columns`."
        )


def _imbalance(ws: Workspace, items: Sequence[Item]) -> Iterable[str]:
    shares = held_out_shares(ws, items)
    for task in sorted(shares):
        labels = Counter(item.label for item in items if item.task == task)
        [(most, rows)], total = labels.most_common(1), labels.total()
        rest = total - rows
        if rows < IMBALANCED * total or not rest:
            continue
        share, held_out = percent(rows / total), round(rest * shares[task])
        others = f"only {rest:,} have another one ({shown(sorted(labels.keys() - {most}))})"
        yield (
            f"Task {task} is imbalanced: {share} of its {total:,} rows are labelled "
            f"{shown([most])}, {others}. About {held_out:,} of these are held out, and always "
            f"answering {shown([most])} is right in {share} of what is: it adds little to what an "
            "exam says about the other labels. Send more rows of these; more of the same mixture "
            "helps little."
        )


def _relabelled(ws: Workspace, items: Sequence[Item]) -> Iterable[str]:
    """Tell that rows came in before, for the same task, with another label."""
    earlier = views.promoted_with(ws.ledger, {item.near for item in items}, 0)
    before: dict[tuple[str, str, str], set[str]] = {}
    for batch in {each.batch for each in earlier.values()}:
        try:
            for row in read_items(items_path(ws, batch), ws.identity):
                before.setdefault((batch, row.near, row.task), set()).add(row.label)
        except (Corrupted, OSError):
            continue  # a warning; `audit verify` names it
    found = Counter[str]()
    for item in items:
        if came := earlier.get(item.near):
            labels = before.get((came.batch, item.near, item.task), {item.label})
            found[f"{came.source} (batch {came.batch[:12]})"] += item.label not in labels
    rows = found.total()
    if rows < RELABELLED * len(items) or not rows:
        return
    yield (
        f"{rows:,} of {len(items):,} rows came in before with another label, most of them with "
        f"{found.most_common(1)[0][0]}. No check asks about rows that the champion has learned. If "
        "the earlier labels are right, take this batch back once it is in: `ratchet rollback`."
    )


def respelt(labels: Set[str], known: Set[str]) -> dict[str, str]:
    """Return new label -> the known one that it is spelt like."""
    folded = {name.casefold(): name for name in sorted(known)}
    found = {
        new: get_close_matches(new.casefold(), list(folded), 1, ALIKE)
        for new in sorted(labels - known)
    }
    return {new: folded[near[0]] for new, near in found.items() if near}


def _renamed(labels: Set[str], known: Set[str]) -> Iterable[str]:
    for new, near in respelt(labels, known).items():
        yield (
            f"The label {shown([new])} is new; the champion knows {shown([near])}. If they mean "
            "the same, give the rows the known name: a second label takes rows from the first one."
        )
