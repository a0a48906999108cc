"""The frozen base: its weights, config and tokenizer, against the digest in the bundles."""

from __future__ import annotations

import json
from collections.abc import Iterator

from components.ledger import views
from components.operations.verification.findings import Finding, Found, Holds, Skipped
from components.operations.verification.scene import Scene

READ_BYTES = 200_000_000
"""Up to here the base is read at the default depth: a fifth of a second."""

REMEDY = "Restore the base; every version in this root was trained on exactly these bytes."


def check_base_model(scene: Scene) -> Iterator[Found]:
    """The base that the champion was trained on; one from the hub is looked for here alone."""
    from components.model.base_lookup import base_digest, base_files, local_base

    ws, champion = scene.ws, views.champion(scene.ws.ledger)
    if champion is None:
        yield Skipped("the base", "no version has been promoted yet, so no base is recorded")
        return
    state = json.loads((ws.bundles / champion.bundle / "state.json").read_bytes())
    folder = local_base(ws.settings.model.base, ws.root)
    if folder is None:
        yield Finding("the base", f"{ws.settings.model.base} is not on this machine", REMEDY)
        return
    size = sum(path.stat().st_size for path in base_files(folder))
    if size > READ_BYTES and not scene.deep:
        yield Skipped(f"the base at {folder}", f"{size:,} bytes", deep=True)
        return
    if base_digest(folder) != state["base"]["digest"]:
        wanted = f"the digest {state['base']['digest'][:12]}… of {state['base']['name']}"
        yield Finding(f"the base at {folder}", f"it was changed: it does not have {wanted}", REMEDY)
        return
    yield Holds("base", 1)
    if beside := sorted(path.name for path in set(folder.iterdir()) - set(base_files(folder))):
        why = f"the digest of the base does not cover {'it' if len(beside) == 1 else 'them'}"
        yield Skipped(f"{', '.join(beside)} of the base", why)
