"""Review queues in MLflow: where people are asked, and what they are shown.

Concept: a queue asks some people one question about each of its cards, and a card is a trace of
MLflow's whose input is what is read there. `show` makes an experiment's queues what they are to be,
and writes only the difference. What people answer is read by the server's hooks, not here: in
MLflow's tables an answer carries the name that whoever wrote it chose to give.

Promise: a card that is shown no more leaves nothing in MLflow's tables.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.digest import json_digest
from components.files import write_json
from components.registry.connection import Connection
from components.registry.experiments import ensure_experiment, experiment_id
from components.registry.server_rules import APPROVER, LABELLER, OURS_TO_ASK

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENTS = dict(zip((APPROVER, LABELLER), OURS_TO_ASK, strict=True))
"""Who is asked -> the last word of the experiment where: each may write to one of them alone."""

PEOPLE_A_QUEUE = 10
"""How many people MLflow lets share a queue; more get another one with the same cards."""

NAME_LENGTH = 200

OPTIONS = 10
"""How many answers MLflow lets people choose from."""

FACTS = "cards.json"
"""The file in mlruns with the facts of the cards that are shown."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&$:=])")

_CARDS = 500
"""Traces that are deleted, or cards that are listed, at once."""


@dataclass(frozen=True, slots=True)
class Card:
    """One thing to be asked about.

    `key`: 32 hexadecimal digits that name it for good, by `card_key`. `asked`: the text that it is
    about; `more`: Markdown below that, or "". `facts`: what the server's hooks are to know of it.
    `answered`: an answer has come, and stands.
    """

    key: str
    asked: str
    more: str
    facts: Mapping[str, str]
    answered: bool = False

    @property
    def trace(self) -> str:
        """What MLflow calls it."""
        return f"tr-{self.key}"


@dataclass(frozen=True, slots=True)
class Queue:
    """A question, and who is asked.

    `options`: what can be chosen; empty: a text is typed. `comment`: whether a reason may follow.
    """

    name: str
    question: str
    instruction: str
    options: tuple[str, ...]
    people: tuple[str, ...]
    cards: tuple[Card, ...]
    comment: bool = False


def plain(text: str) -> str:
    """Return Markdown that shows a text as it is."""
    indented = re.sub(r"(?m)^[ \t]+", lambda found: "\u00a0" * len(found.group()), text)
    return _MARKDOWN.sub(r"\\\1", indented).replace("\n", "  \n")


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def card_key(*parts: Any) -> str:
    """Return the key of a card about these parts."""
    return json_digest(list(parts))[:32]


def keep_facts(mlruns: Path, cards: Iterable[Card]) -> None:
    """Write down the facts of all cards that are to be shown, for the server's hooks."""
    write_json(mlruns / FACTS, {card.trace: dict(card.facts) for card in cards})


def facts_of(mlruns: Path, trace: str) -> dict[str, str] | None:
    """Return the facts of a card that is shown now; None of any other trace.

    They are read from a file of this root: what MLflow stores with a trace, others may write.
    """
    try:
        found = json.loads((mlruns / FACTS).read_text(encoding="utf-8")).get(trace)
    except (OSError, ValueError, AttributeError):
        return None
    return dict(found) if isinstance(found, dict) else None


def experiments(connection: Connection, model: str) -> dict[str, str]:
    """Return the experiments where people are asked, made where missing: role -> id."""
    with connection.locked(), connection.client() as client:
        return {role: _experiment(connection, client, model, role) for role in EXPERIMENTS}


def show(connection: Connection, model: str, role: str, queues: Sequence[Queue]) -> None:
    """Make the queues for people of a role what they are to be."""
    wanted = {shared.name: shared for queue in queues for shared in _shared(queue)}
    with connection.locked(), connection.client() as client:
        experiment = _experiment(connection, client, model, role)
        _Table(client._tracking_client.store, experiment).show(wanted)


def _experiment(connection: Connection, client: MlflowClient, model: str, role: str) -> str:
    """Return the id of an experiment, made where missing; one that was deleted is restored."""
    name = f"{model} {EXPERIMENTS[role]}"
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    ensure_experiment(connection, client, name, "genai_development")
    return experiment_id(connection, client, name)


def _shared(queue: Queue) -> Iterator[Queue]:
    """Yield a queue for each ten of its people, with names as short as MLflow wants them."""
    for number, people in enumerate(_parts(queue.people, PEOPLE_A_QUEUE), start=1):
        suffix = f" ({number})" if number > 1 else ""
        name, question = (
            text if len(text) <= NAME_LENGTH else f"{text[:NAME_LENGTH]}… {json_digest(text)[:8]}"
            for text in (queue.name, queue.question)
        )
        yield replace(queue, name=f"{name}{suffix}", question=f"{question}{suffix}", people=people)


def _parts(whole: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return ((*whole[at : at + size],) for at in range(0, len(whole), size))


class _Table:
    """The queues of one experiment, in MLflow's own tables."""

    def __init__(self, store: Any, experiment: str) -> None:
        self._store, self._experiment = store, experiment

    def show(self, wanted: Mapping[str, Queue]) -> None:
        shown = {each.name: each for each in self._all(self._store.list_review_queues)}
        for name, queue in shown.items():
            if name not in wanted or not queue.schema_ids:
                self._drop(queue)
        kept = {name: queue for name, queue in shown.items() if queue.schema_ids}
        for name, queue in wanted.items():
            self._fill(kept.get(name) or self._make(queue), queue)
        cards = {card.trace for queue in wanted.values() for card in queue.cards}
        for part in _parts(sorted(self._traces() - cards), _CARDS):
            self._store.delete_traces(self._experiment, trace_ids=list(part))

    def _traces(self) -> set[str]:
        """Return all traces of the experiment, whether a queue names them or not."""
        found, token = set[str](), None
        while True:
            page, token = self._store.search_traces(
                locations=[self._experiment], max_results=_CARDS, page_token=token
            )
            found |= {each.trace_id for each in page}
            if not token:
                return found

    def _make(self, queue: Queue) -> Any:
        from mlflow.genai.label_schemas import InputCategorical, InputText

        old = {each.name: each for each in self._all(self._store.list_label_schemas)}
        if queue.question in old:  # a killed process made it, or somebody dropped its queue
            self._store.delete_label_schema(old[queue.question].schema_id)
        schema = self._store.create_label_schema(
            self._experiment,
            name=queue.question,
            type="feedback",
            input=InputCategorical(options=list(queue.options)) if queue.options else InputText(),
            instruction=queue.instruction[:1000],
            enable_comment=queue.comment,
        )
        return self._store.create_review_queue(
            self._experiment,
            name=queue.name,
            queue_type="custom",
            users=list(queue.people),
            schema_ids=[schema.schema_id],
        )

    def _fill(self, shown: Any, queue: Queue) -> None:
        """Put a queue's cards and people right."""
        if {*shown.users} != {name.lower() for name in queue.people}:
            self._store.update_review_queue(shown.queue_id, users=list(queue.people))
        there = {each.item_id: str(each.status) for each in self._items(shown.queue_id)}
        wanted = {card.trace: card for card in queue.cards}
        for card in wanted.values():
            self._write(card)
        # what was attached last is asked first
        for trace in [trace for trace in reversed(wanted) if trace not in there]:
            self._store.add_items_to_review_queue(shown.queue_id, item_ids=[trace])
        for trace, card in wanted.items():
            status = "complete" if card.answered else "pending"
            if there.get(trace, "pending") != status:
                by = queue.people[0] if card.answered else None
                self._store.set_review_queue_item_status(
                    shown.queue_id, item_id=trace, status=status, completed_by=by
                )
        old = there.keys() - wanted.keys()
        for part in _parts(sorted(old), _CARDS):
            self._store.remove_items_from_review_queue(shown.queue_id, item_ids=list(part))

    def _write(self, card: Card) -> None:
        """Write a card as a trace of one span; one that is there already stays."""
        from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState
        from mlflow.exceptions import MlflowException
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, Status, StatusCode

        try:
            self._store.get_trace_info(card.trace)
            return
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        now = time.time_ns()
        context = SpanContext(int(card.key, 16), int(card.key[:16], 16) or 1, is_remote=False)
        said = {
            "mlflow.traceRequestId": card.trace,
            "mlflow.spanType": "CHAT_MODEL",
            "mlflow.spanInputs": {"messages": [_message("user", plain(card.asked))]},
        }
        if card.more:
            choices = [{"message": _message("assistant", card.more)}]
            said["mlflow.spanOutputs"] = {"choices": choices}
        span = ReadableSpan(
            "card",
            context,
            start_time=now,
            end_time=now + 1_000_000,  # of one that took no time, the page shows nothing
            status=Status(StatusCode.OK),
            attributes={name: json.dumps(value) for name, value in said.items()},
        )
        info = TraceInfo(
            trace_id=card.trace,
            trace_location=TraceLocation.from_experiment_id(self._experiment),
            request_time=now // 1_000_000,
            execution_duration=0,
            state=TraceState.OK,
            trace_metadata={},
            tags={"mlflow.traceName": "card"},
            request_preview=card.asked[:1000],
        )
        self._store.start_trace(info)
        self._store.log_spans(self._experiment, [Span(span)])

    def _drop(self, queue: Any) -> None:
        self._store.delete_review_queue(queue.queue_id)
        for schema in queue.schema_ids:
            self._store.delete_label_schema(schema)

    def _items(self, queue: str) -> list[Any]:
        return self._all(self._store.list_review_queue_items, queue)

    def _all(self, lister: Any, of: str | None = None) -> list[Any]:
        found, token = list[Any](), None
        while True:
            page = lister(of or self._experiment, max_results=_CARDS, page_token=token)
            found += page
            if not (token := page.token):
                return found
