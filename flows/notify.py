"""Send notices to where people are: blocks of Prefect (Slack, mail, any webhook)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from prefect.blocks.core import Block

from components.operations import notices
from components.operations.notices import Notice
from components.workspace.root import Workspace


def notify(ws: Workspace, told: Sequence[Notice]) -> None:
    """Write notices to the log, and send them to every block that the settings name.

    A block that fails is noted in the log: nothing waits for a chat server.
    """
    notices.tell(ws, told)
    for name in ws.settings.service.notify if told else ():
        body = "\n".join(f"{each.kind}: {each.text}" for each in told)
        try:
            cast(Any, Block.load(name)).notify(body, subject=f"Ratchet: {ws.settings.model.name}")
        except Exception as error:  # whatever a service or its client may raise
            line = " ".join(str(error).split())[:300]
            notices.tell(ws, [Notice("not sent", f"{name}: {line}")])
