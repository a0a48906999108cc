from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.training.averaging import Tail


@settings(deadline=None)
@given(st.integers(1, 12), st.floats(0.0, 1.0))
def test_the_tail_is_the_mean_of_the_last_steps(steps: int, share: float) -> None:
    weight, seen = torch.zeros(3), []
    tail = Tail([weight], steps, share)
    for done in range(1, steps + 1):
        weight += done
        seen.append(weight.clone())
        tail.add(done)
    tail.put()
    counted = int(share * steps)
    wanted = torch.stack(seen[-counted:]).mean(0) if counted else seen[-1]
    torch.testing.assert_close(weight, wanted)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_setting_decides_how_far_a_version_goes(
    stream: Any, make_rows: Any, share: float
) -> None:
    first, second = make_rows(["good", "bad"], 30), make_rows(["cat"], 30, "pets")
    settings = mixed(stream.settings, share)
    parent = stream.teach("a", first, settings=settings)
    child = stream.teach("b", second, parent, settings=settings)
    whole = stream.teach("b", second, parent, settings=mixed(stream.settings, 1.0))
    before, now, there = (bundle.head_tensors()["weight"] for bundle in (parent, child, whole))
    before = torch.cat([before, torch.zeros(1, before.shape[1])])
    torch.testing.assert_close(now, torch.lerp(before, there, share))


def mixed(settings: Any, share: float) -> Any:
    strategy = settings.strategy.model_copy(update={"update_share": share})
    return settings.model_copy(update={"strategy": strategy})
