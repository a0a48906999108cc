"""Settings with the value `auto`: chosen on the first batch, fixed from then on.

Promise: a choice is one ledger event with its reason, made before anything is trained; no later
batch changes it (law 7). A person may have the number format measured again, which starts with the
next version. A value in `params.yaml` overrides it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from components.ledger import views
from components.ledger.events import SettingChosen
from components.ledger.ledger import Lease
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.settings import Settings
    from components.training.candidate import Lesson


PRECISION = "training.precision"


@dataclass(frozen=True, slots=True)
class Probed:
    """A measurement beside what was recorded before it; `taken`: it holds from the next version."""

    recorded: views.Choice | None
    found: views.Choice
    taken: bool


def probe_again(ws: Workspace, lease: Lease) -> Probed:
    """Measure the number format again; record what was found where that is another one.

    Versions so far keep their bytes. Where `params.yaml` names a format, nothing is recorded.
    """
    from components.training.precision_choice import probe

    recorded = views.choices(ws.ledger).get(PRECISION)
    found = views.Choice(*probe(ws.base, ws.settings))
    other = recorded is None or recorded.value != found.value
    taken = other and ws.settings.training.precision == "auto"
    if taken:
        _record(ws, lease, PRECISION, found.value, found.why)
    return Probed(recorded, found, taken)


def choose(ws: Workspace, lease: Lease, lesson: Lesson) -> Settings:
    """Return the settings in force, once every `auto` that decides bytes is chosen.

    Args:
        ws: the root.
        lease: of the model.
        lesson: the current batch, to try things on; its parent's adapter keeps its shape.
    """
    settings = ws.in_force()
    if settings.training.precision == "auto":
        from components.training.precision_choice import probe

        settings = _record(ws, lease, PRECISION, *probe(ws.base, settings))
    if settings.adapter.method == "auto":
        settings = _record(ws, lease, "adapter", *_adapter(ws, settings, lesson))
    if getattr(settings.adapter, "layers", None) == "auto" and lesson.parent is not None:
        layers = lesson.parent.state["adapter"]["layers"]
        settings = _record(ws, lease, "adapter.layers", layers, "the champion adapts as many")
    elif getattr(settings.adapter, "layers", None) == "auto":
        from components.training.layer_choice import depth_worth_its_seconds

        show = partial(ws.progress, "choosing layers")
        found = depth_worth_its_seconds(ws.base, lesson.items, settings, show, ws.activations)
        settings = _record(ws, lease, "adapter.layers", *found)
    return settings


def _adapter(ws: Workspace, settings: Settings, lesson: Lesson) -> tuple[Any, str]:
    """Return the whole section of a method, and why."""
    if lesson.parent is not None:
        return lesson.parent.state["adapter"], "the champion's adapter is of this kind"
    from components.training.method_choice import chosen_method

    show = partial(ws.progress, "choosing the method")
    return chosen_method(ws.base, lesson.items, settings, show, ws.activations)


def _record(ws: Workspace, lease: Lease, name: str, value: Any, why: str) -> Settings:
    ws.ledger.append(SettingChosen(name=name, value=value, why=why), lease)
    return ws.in_force()
