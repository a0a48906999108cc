"""MLflow's server with logins, with our rules, and with a record of who changed what.

Concept: MLflow's own basic-auth app, with two hooks around every call that changes a registered
model. The first refuses what `server_rules` refuses; the second records the call, also a refused
one. All such calls are Flask routes of MLflow's, from its pages and from its API alike.

Promise: a call whose record can't be written is answered with an error, and the tag `approval`
without a record counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from components.registry.server_rules import (
    ANSWERED,
    CALLS,
    CHANGED,
    OURS_TO_ASK,
    QUEUES,
    VERSION,
    Call,
    refusal,
)

_PATH = re.compile(r".*/(?:ajax-)?api/2\.0/mlflow/(.+)")
_BELOW = re.compile(r".*/(?:ajax-)?api/[23]\.0/mlflow/(.+)")
_CARD = re.compile(r".*/(?:ajax-)?api/3\.0/mlflow/traces/([^/]+)/assessments(/[^/]+)?")
_ASSISTANT = re.compile("x-mlflow-.*(assistant|delegat).*", re.IGNORECASE)


class Book(Protocol):
    """Where the calls about one model are looked up and written down."""

    def roles(self, user: str) -> frozenset[str]:
        """Return what somebody is."""

    def card(self, trace: str) -> Mapping[str, str] | None:
        """Return the facts of a card that people are asked about now; None of any other trace."""

    def record(self, call: Call, before: str | None, status: int, refused: str) -> None:
        """Write a call down."""


def guarded(books: Callable[[], Mapping[str, Book]]) -> Any:
    """Return MLflow's server as an ASGI app, with logins and with these books by model name."""
    from flask import g, jsonify, request
    from mlflow.server import app
    from mlflow.server.auth import create_app

    served = create_app(app)

    def first() -> Any:
        if _is_about_queues(request):
            return _refused(jsonify, "Review queues and traces are written by Ratchet alone.")
        return None

    def before() -> Any:
        g.ratchet = None
        call = _call_of(request, g, books())
        book = books().get(call.model) if call else None
        if call is None or book is None:
            return None
        refused = refusal(call, book.roles(call.user))
        g.ratchet = call, book, _now(call), refused
        if not refused:
            return None
        return _refused(jsonify, refused)

    def after(response: Any) -> Any:
        noted = getattr(g, "ratchet", None) or _denied(request, g, books)
        if noted is not None:
            call, book, was, refused = noted
            book.record(call, was, response.status_code, refused)
        return response

    app.before_request_funcs.setdefault(None, []).insert(0, first)  # whoever asks
    app.before_request(before)
    app.after_request(after)
    return _without_traces(served)


def _refused(jsonify: Any, why: str) -> Any:
    answer = jsonify({"error_code": "PERMISSION_DENIED", "message": why})
    answer.status_code = 403
    return answer


def _without_traces(served: Any) -> Any:
    """Return an ASGI app that takes no traces by OpenTelemetry: they could rewrite a card."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        writes = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if writes and scope["path"].rstrip("/").endswith("/v1/traces"):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"No traces are taken here."})
            return
        await served(scope, receive, send)

    return app


def _is_about_queues(request: Any) -> bool:
    """Tell whether a request would change review queues, what they ask, or where they lie."""
    found = _BELOW.fullmatch(request.path)
    if found is None:
        return False
    path = found.group(1).rstrip("/")
    if path in ("experiments/update", "experiments/delete"):
        return _experiment_name(_said(request) or {}).endswith(tuple(f" {x}" for x in OURS_TO_ASK))
    return any(request.method == method and each.fullmatch(path) for method, each in QUEUES)


def _experiment_name(said: Mapping[str, Any]) -> str:
    from mlflow.exceptions import MlflowException
    from mlflow.server.handlers import _get_tracking_store

    try:
        store: Any = _get_tracking_store()
        return str(store.get_experiment(str(said.get("experiment_id", ""))).name)
    except MlflowException:
        return ""


def _denied(request: Any, g: Any, books: Callable[[], Mapping[str, Book]]) -> Any:
    """Return what there is to record of a call that MLflow refused before we saw it."""
    call = _call_of(request, g, books())
    book = books().get(call.model) if call else None
    return None if call is None or book is None else (call, book, None, "")


def _call_of(request: Any, g: Any, books: Mapping[str, Book]) -> Call | None:
    """Return what a request asks to change; None where it changes no model, or nobody asks."""
    user = getattr(g, "mlflow_authenticated_user", None)
    if user is None:
        return None
    if card := _CARD.fullmatch(request.path):
        return _answer_of(request, str(user), card.group(1), bool(card.group(2)), books)
    found = _PATH.fullmatch(request.path)
    action = CALLS.get((request.method, found.group(1))) if found else None
    said = _said(request) if action else None
    if action is None or said is None:
        return None
    return Call(
        str(user),
        action,
        str(said.get("name", "")),
        _number(said.get("version")),
        _text(said.get("key", said.get("alias"))),
        _text(said.get("value", said.get("version" if action == "alias set" else "description"))),
        _is_assisted(request),
    )


def _answer_of(
    request: Any, user: str, trace: str, named: bool, books: Mapping[str, Book]
) -> Call | None:
    """Return what a request says of a card of ours; `named`: about an answer that was given."""
    if request.method == "GET":
        return None
    cards = ((model, book.card(trace)) for model, book in books.items())
    model, facts = next(((model, card) for model, card in cards if card is not None), ("", None))
    if facts is None:
        return None
    given = (_said(request) or {}).get("assessment")
    given = given if isinstance(given, dict) else {}
    feedback = given.get("feedback")
    value = _text(feedback.get("value") if isinstance(feedback, dict) else None) or ""
    reason = _text(given.get("rationale"))
    return Call(
        user,
        CHANGED if named else ANSWERED,
        model,
        _number(facts.get(VERSION)),
        trace,
        f"{value}: {reason}" if reason else value,
        _is_assisted(request),
        facts,
    )


def _number(version: Any) -> int | None:
    return int(version) if str(version).isdecimal() else None


def _is_assisted(request: Any) -> bool:
    return any(_ASSISTANT.fullmatch(name) for name in request.headers.keys())


def _said(request: Any) -> dict[str, Any] | None:
    """Return what a request says, read as MLflow reads it; None where MLflow can't read it."""
    from mlflow.server.handlers import _get_normalized_request_json
    from werkzeug.exceptions import HTTPException

    try:
        said = _get_normalized_request_json(request)
    except (HTTPException, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:1000]


def _now(call: Call) -> str | None:
    """Return what a call is about to change, as it is now; None where there is no such thing."""
    from mlflow.exceptions import MlflowException
    from mlflow.server.handlers import _get_model_registry_store

    store: Any = _get_model_registry_store()
    try:
        if call.action.startswith("alias"):
            return _text(store.get_registered_model(call.model).aliases.get(call.key))
        if call.action.startswith("tag") and call.version is not None:
            return _text(store.get_model_version(call.model, call.version).tags.get(call.key))
    except MlflowException:
        pass
    return None
