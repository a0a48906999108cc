"""The pages in the reports folder as they stand now: one an examination, and the index of batches.

Concept: a display of the ledger (law 1). A page's facts never change, what became of its version
does; so pages are written again from their facts when a decision or a rollback touches them.

Promise: may be written at any time, by anybody, as often as wanted; what is damaged is left out:
`audit verify` names it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import Corrupted
from components.evaluation.causes import doubts
from components.exam_names import spoken
from components.files import write_bytes
from components.ledger import views
from components.ledger.events import (
    ChampionRolledBack,
    Recorded,
    RegistrationDone,
    RollbackUndone,
    VersionSuperseded,
)
from components.pipeline import accuracy_history, reporting
from components.pipeline.came_in import corrected_since
from components.pipeline.cause import causes_for, likely_causes
from components.pipeline.champion_accuracy import champion_accuracy, shown_exams
from components.pipeline.held import correction, ways_to_settle
from components.pipeline.reporting import AS_EXAMINED, FACTS, report_path
from components.pipeline.sittings import Paper, accuracy, paper_of
from components.shown_text import shortened
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.report.batch_report import ReportData, Standing
    from components.report.index_page import Panel, Return, Row, Step

INDEX = "index.html"
NEWEST, PLOTTED = 300, 60
"""How many batches the index lists, and how many versions it plots."""

BY_A_PERSON = "Rejected by a person"
"""How the reason begins of a batch that a person rejected."""

LONGEST = 240
"""Characters of a reason in the index; the page of the batch has all of it."""


def index_path(ws: Workspace) -> Path:
    """Return where the index of all batches lies."""
    return ws.mlruns / "reports" / INDEX


def write_all(ws: Workspace) -> Path:
    """Write every page and the index from ledger and documents; return the index."""
    write_pages(ws, (each.version for each in views.versions(ws.ledger)))
    return write_index(ws)


def write_pages(ws: Workspace, versions: Iterable[int]) -> None:
    """Write the pages of these versions as they stand now."""
    from components.report.batch_report import render

    for version in filter(None, (views.version(ws.ledger, number) for number in set(versions))):
        page = report_path(ws, version.batch, version.bundle)
        try:
            data = _facts(ws, version, page.with_suffix(""))
        except (Corrupted, ValueError, LookupError, TypeError, OSError):
            continue  # a display; the rest can still be shown
        _keep_as_examined(page)
        write_bytes(page, render(data, standing(ws, version)).encode("utf-8", "replace"))


def _keep_as_examined(page: Path) -> None:
    """Keep a page that an older Ratchet wrote: the registry has just these bytes."""
    kept = page.with_suffix("") / AS_EXAMINED
    if page.exists() and not kept.exists():
        write_bytes(kept, page.read_bytes())


def _facts(ws: Workspace, version: views.Version, folder: Path) -> ReportData:
    """Return a page's facts as they were kept, or from the evidence where an older Ratchet did."""
    from components.report.batch_report import ReportData

    kept = folder / FACTS
    if kept.exists():
        told = json.loads(kept.read_bytes())
        if "rows" not in told:  # an older Ratchet kept them
            document = ws.read_document(version.evidence)
            told |= reporting.about_batch(ws, document, version.batch or "")
        return ReportData.from_json(told)
    document = ws.read_document(version.evidence)
    state = json.loads((ws.bundles / version.bundle / "state.json").read_bytes())
    story = accuracy_history.story(ws, document, views.ancestors(ws.ledger, version))
    arrival = views.arrival(ws.ledger, version.batch) if version.batch else None
    examined = views.examined(ws.ledger, version)
    return reporting.facts(
        ws,
        document,
        version.evidence,
        state,
        story,
        batch=version.batch or "",
        source=arrival.source if arrival else "",
        parent=version.parent,
        examined=examined.time if examined else "",
    )


def standing(ws: Workspace, version: views.Version) -> Standing:
    """Return what has become of a version, and what to do now."""
    from components.report.batch_report import Standing

    number, batch = version.version, (version.batch or "")[:12]
    arrival = views.arrival(ws.ledger, version.batch) if version.batch else None
    title, why, steps = f"Version {number}: {version.status}.", "", list[str]()
    if version.status == "champion":
        title = f"Version {number} ships: it is in force."
        steps = ["Nothing is open. Try it: `ratchet predict TEXT`."]
        if version.parent and version.batch and doubts(likely_causes(ws, version)):
            back = f"`ratchet rollback --to {version.parent} --reason WHY`"
            steps = [
                "Read the rows above. If their labels are right, nothing is open. If they are "
                f"wrong: {back}, then correct them: {correction(version.batch)}."
            ]
        on = views.probation(ws.ledger)
        if on is not None and on.version == number:
            title = f"Version {number} is in force on probation until {on.ends[:10]}."
            steps = [f"{on.labels} labels end it earlier: `ratchet label`."]
    elif version.status == "former":
        after = _after(ws, number)
        until = f" until version {after} took over" if after else ""
        title = f"Version {number} was in force{until}."
        steps = [f"Nothing is open. To go back to it: `ratchet rollback --to {number}`."]
    elif version.status == "held":
        title = f"Version {number} can't ship yet: it waits for you."
        steps = [f"{way[0].upper()}{way[1:]}." for way in ways_to_settle(ws, version)]
    elif version.status == "rejected":
        title = f"Version {number} can't ship: it was rejected."
        if arrival is not None and arrival.reason.startswith(BY_A_PERSON):
            why = arrival.reason
        steps = _after_rejection(ws, version) if batch else []
    elif version.status == "superseded":
        title, why = _superseded(ws, version)
        steps = [_became(ws, arrival)] if arrival else []
    elif version.status == "barred":
        title, why = _barred(ws, number)
        steps = ["See what was in force when: `ratchet history`."]
        if _can_be_undone(ws, number):
            steps.insert(0, "If that was a slip: `ratchet rollback --undo --reason WHY`.")
        if arrival is not None:
            steps.append(_became(ws, arrival))
    return Standing(version.status, number, title, why, steps, INDEX)


def _after_rejection(ws: Workspace, version: views.Version) -> list[str]:
    """Return what to do about a rejected batch: what follows from its likely cause comes first."""
    batch = str(version.batch)
    arrival = views.arrival(ws.ledger, batch)
    if arrival is not None and (arrival.version, arrival.status) != (version.version, "rejected"):
        return [_became(ws, arrival)]
    broke = f"See which texts of the exams broke: `ratchet errors {version.version}`."
    correct = f"See its rows beside the champion's answers and correct them: {correction(batch)}."
    again = (
        f"If the rows are right as they are: `ratchet quarantine release {batch[:12]}`, then "
        "`ratchet intake`."
    )
    if since := corrected_since(ws, arrival):
        return [f"Nothing is to be done: {since}."]
    likely = likely_causes(ws, version)
    if not likely:
        return [broke, correct, again]
    first = (correct if cause.doubts_labels else f"{cause.remedy}." for cause in likely)
    return [*dict.fromkeys(first), broke, again]


def _superseded(ws: Workspace, version: views.Version) -> tuple[str, str]:
    """Say why the examination of a version no longer counts."""
    title, batch = f"Version {version.version} can't ship: ", version.batch or ""
    for event in reversed(views.told(ws.ledger, VersionSuperseded)):
        if event.payload.version == version.version:
            why = event.payload.reason
            return f"{title}its examination no longer counts.", f"{why[:1].upper()}{why[1:]}"
    whole = views.arrival(ws.ledger, views.pooled_into(ws.ledger, batch)) if batch else None
    if whole is None or whole.batch == batch:
        return f"{title}its examination no longer counts.", ""
    later = f", into version {whole.version}" if whole.version else ""
    return f"{title}its batch was trained together with others{later}.", (
        f"It was too small by itself, and became part of batch {whole.batch[:12]} ({whole.source})."
    )


def _became(ws: Workspace, arrival: views.Arrival) -> str:
    """Say what became of the batch of a version that no longer counts, and what to do about it."""
    if since := corrected_since(ws, arrival):
        return f"Nothing is to be done about its batch: {since}."
    whole = views.arrival(ws.ledger, views.pooled_into(ws.ledger, arrival.batch)) or arrival
    name = f"{'Its' if whole.batch == arrival.batch else 'The pooled'} batch {whole.batch[:12]}"
    if whole.status == "quarantined":
        return f"{name} is in quarantine: `ratchet quarantine show {whole.batch[:12]}`."
    if whole.status == "queued":
        return f"{name} is queued, to be examined again: `ratchet intake`."
    if whole.version is not None:
        return f"{name} is {whole.status} now: `ratchet version explain {whole.version}`."
    return f"{name} is {whole.status} now: `ratchet status`."


def _after(ws: Workspace, number: int) -> int | None:
    """Return the version that took over from one that was in force."""
    followed = views.versions(ws.ledger, parent=number)
    return next((v.version for v in followed if v.status in ("champion", "former")), None)


def _barred(ws: Workspace, number: int) -> tuple[str, str]:
    for event in reversed(views.told(ws.ledger, ChampionRolledBack)):
        said = event.payload
        if number in said.barred:
            when = f"{event.time[:10]} {event.time[11:16]} UTC"
            title = f"Version {number} must not ship: it was rolled back to version {said.to}"
            return f"{title} on {when}.", said.reason
    return f"Version {number} must not ship: it gives the answers of one that was rolled back.", ""


def _can_be_undone(ws: Workspace, number: int) -> bool:
    """Tell whether a person's rollback past a version may still be undone."""
    standing, champion = _rollbacks(ws), views.champion(ws.ledger)
    if not standing or champion is None or number not in standing[-1].barred:
        return False
    return not standing[-1].regressions and champion.version == standing[-1].to


def write_index(ws: Workspace) -> Path:
    """Write the index of all batches and return its path."""
    from components.report.index_page import render_index

    inbox = views.arrivals(ws.ledger)
    newest = inbox[-NEWEST:][::-1]
    times = views.event_times(ws.ledger, [each.position for each in newest])
    page = render_index(
        ws.settings.model.name,
        _headline(ws, inbox),
        _panels(ws),
        [_row(ws, each, times.get(each.position, "")) for each in newest],
        _returns(ws),
        len(inbox) - len(newest),
    )
    path = index_path(ws)
    write_bytes(path, page.encode("utf-8", "replace"))
    return path


def _rollbacks(ws: Workspace) -> list[ChampionRolledBack]:
    """Return the rollbacks that stand: none that was undone."""
    undone = {each.payload.rollback for each in views.told(ws.ledger, RollbackUndone)}
    told = views.told(ws.ledger, ChampionRolledBack)
    return [each.payload for each in told if each.seq not in undone]


def _headline(ws: Workspace, inbox: list[views.Arrival]) -> str:
    champion = views.champion(ws.ledger)
    told = f"Version {champion.version} is in force." if champion else "No champion yet."
    barred = {each.version for each in views.versions(ws.ledger, status="barred")}
    out = [each for each in inbox if each.version in barred]
    counts = Counter("barred" if each.version in barred else each.status for each in inbox)
    words = {
        "barred": "barred",
        "held": "wait for you",
        "queued": "queued",
        "rejected": "rejected",
        "refused": "refused",
    }
    found = [f"{counts[status]} {word}" for status, word in words.items() if counts[status]]
    if again := sum(each.status == "queued" for each in out):
        found[0] += f" ({again} of them queued again)"
    return f"{told} Of {len(inbox)} batches: {', '.join(found)}." if found else told


def _row(ws: Workspace, arrival: views.Arrival, time: str) -> Row:
    from components.report.index_page import Row
    from components.report.verdicts import without_action

    version = views.version(ws.ledger, arrival.version) if arrival.version else None
    status, why = arrival.status, arrival.reason or (version.headline if version else "")
    why = next(iter(causes_for(ws, arrival)), without_action(why))
    if version is not None and version.status == "barred":
        status, why = "barred", " ".join(_barred(ws, version.version))
    page = report_path(ws, version.batch, version.bundle) if version else None
    return Row(
        arrival.source,
        time,
        views.tasks_of(ws.ledger, arrival),
        status,
        arrival.version,
        shortened(why, LONGEST),
        page.name if page is not None and page.exists() else "",
    )


def _returns(ws: Workspace) -> list[Return]:
    """Return every rollback, and every undo of one."""
    from components.report.index_page import Return

    made = [(each.seq, each.payload.version) for each in views.told(ws.ledger, RegistrationDone)]
    back: list[tuple[str, Recorded[ChampionRolledBack] | Recorded[RollbackUndone]]] = [
        *(("rollback", each) for each in views.told(ws.ledger, ChampionRolledBack)),
        *(("undo", each) for each in views.told(ws.ledger, RollbackUndone)),
    ]
    return [
        Return(
            each.payload.to,
            max(version for seq, version in made if seq < each.seq),
            how,
            each.time[:10],
            each.payload.reason,
        )
        for how, each in sorted(back, key=lambda pair: pair[1].seq)
    ]


def _panels(ws: Workspace) -> list[Panel]:
    """Return a panel a task: each version beside its parent on the exam that decides."""
    from components.report.index_page import Panel

    steps: dict[str, dict[int, Step]] = {}
    champion = champion_accuracy(ws)
    versions = views.versions(ws.ledger)[-PLOTTED:]
    exams = shown_exams(ws, champion, reversed(versions))
    statuses = {each.version: each.status for each in versions}
    for version in versions:
        try:
            paper = paper_of(ws, version.evidence)
        except Corrupted:
            continue
        for task, exam in exams.items():
            if exam in paper.kept:
                own = steps.setdefault(task, {})
                for step in _steps(paper, exam, version, statuses):
                    own.setdefault(step.version, step)
    told = {
        each.task: f"{each.percent:.1f} % ({each.low:.1f} to {each.high:.1f}) on {each.items:,} "
        f"items of {spoken(each.exam)}, {each.examined[:10]}"
        for each in champion
    }
    return [
        Panel(task, told.get(task, ""), [own[version] for version in sorted(own)])
        for task, own in sorted(steps.items())
        if own
    ]


def _steps(
    paper: Paper, exam: str, version: views.Version, statuses: Mapping[int, str]
) -> Iterator[Step]:
    """Yield a version's parent, where it had learned the exam's task, and the version beside it."""
    from components.report.index_page import Step

    kept, parent = paper.kept[exam], version.parent
    before = accuracy(kept["champion"]) if exam in paper.known else None
    if before is not None and parent is not None and parent in statuses:
        items = len(kept["champion"] or "")
        yield Step(parent, None, statuses[parent], None, before, items, exam)
    now = kept["candidate"]
    if now:
        share = now.count("1") / len(now)
        yield Step(version.version, parent, version.status, before, share, len(now), exam)
