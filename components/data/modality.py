"""What the contents of a batch are: how a record holds them, and what the contract asks of them.

Concept: a row of `MODALITIES` for each kind of content; text is the only one. Other rooms have
rows of the same name: `identity.FORMS` (what is digested, and which contents are near-duplicates),
`model.encoding.ENCODERS` (what the model is fed), `DriftCheck.only` of `evaluation.drift` (the
drift checks that look at the content itself).

Promise: what is asked of labels, tasks and batches depends on no modality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.data.expectations import Expectation, checkable, each, kind_of

if TYPE_CHECKING:
    from components.settings import DataSettings

# Tab, line feed and carriage return belong to texts, not to names.
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
EMOJI = "\u231a-\u23ff\u2600-\u27bf\u2b05-\u2b55\U0001f000-\U0001faff\ufe0f"
"""Blocks of emoji, and the character that makes a picture of the sign before it."""
WORD_OR_EMOJI = rf"[^\W_]|[{EMOJI}]"

NO_CONTENT = "no letters, digits or emoji"

Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class ContentChecks:
    """Checks of one row's content, in the order in which a row's reasons are told.

    kind: whether there is one, and of the right type; form: what it is made of; size.
    """

    kind: tuple[Expectation, ...]
    form: tuple[Expectation, ...]
    size: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True)
class Modality:
    """A kind of content.

    column: contract -> the column that a batch must have.
    read: (a record's values, contract) -> the content as it stands; None where it is missing.
    columns: contents -> what its checks look at; null where there is nothing to look at.
    checks: contract -> the checks of those columns.
    """

    column: Callable[[DataSettings], str]
    read: Callable[[Mapping[str, Any], DataSettings], Any]
    columns: Callable[[Sequence[Any]], Columns]
    checks: Callable[[DataSettings], ContentChecks]


def _text_column(contract: DataSettings) -> str:
    return contract.text_column


def _read_text(values: Mapping[str, Any], contract: DataSettings) -> Any:
    return values.get(contract.text_column)


def _text_columns(contents: Sequence[Any]) -> Columns:
    return {
        "text": [checkable(text) for text in contents],
        "text_kind": [kind_of(text) for text in contents],
    }


def _text_checks(contract: DataSettings) -> ContentChecks:
    missing, string = ["missing"], ["string", "missing"]
    shortest, longest = contract.min_text_chars, contract.max_text_chars
    return ContentChecks(
        kind=(
            each("missing text", "values_to_not_be_in_set", "text_kind", value_set=missing),
            each("text is not a string", "values_to_be_in_set", "text_kind", value_set=string),
        ),
        form=(each("control characters", "values_to_not_match_regex", "text", regex=CONTROL),),
        size=(
            each("text too short", "value_lengths_to_be_between", "text", min_value=shortest),
            each("text too long", "value_lengths_to_be_between", "text", max_value=longest),
            each(NO_CONTENT, "values_to_match_regex", "text", regex=WORD_OR_EMOJI),
        ),
    )


MODALITIES = {"text": Modality(_text_column, _read_text, _text_columns, _text_checks)}
"""What `Identity.modality` may name."""
