"""What the simulations rest on: exact churn, curtailment, and the same verdicts as the gate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gate.planning import outcomes
from tests.gatebench import drip, labels, noise, refills, rivals, self_written, sound
from tests.gatebench.gates import GATE, MARGIN, Gate, level_now, within_p
from tests.gatebench.latent import Kind, Latent, correlation
from tests.gatebench.models import answers, hardness
from tests.gatebench.pooled import FAIL, OPEN, Comparison, ask, certain, first_updates, follow

FORGOTTEN = Kind(0.05)
LASTING = Kind(0.05, 0.754, correlation(0.177, 0.754))


@pytest.mark.parametrize("kind", [FORGOTTEN, LASTING, Kind(0.05, shared=0.6, cluster=5)])
def test_churn_and_accuracy_are_as_asked_update_after_update(kind: Kind) -> None:
    world = Latent(kind, 40, 2, 2000, seed=3)
    everywhere = np.ones(40, bool)
    for _ in range(4):
        right, lost = world.candidate(np.zeros((40, 2)))
        assert (world.champion != right).mean() == pytest.approx(kind.churn, abs=0.005)
        world.promote(everywhere, right, lost)
        world.arrive(100)
    assert world.champion.mean() == pytest.approx(kind.accuracy, abs=0.01)


def test_a_loss_is_as_large_as_told_also_on_items_that_arrive_later() -> None:
    world = Latent(FORGOTTEN, 60, 1, 2000, seed=4)
    right, lost = world.candidate(np.full((60, 1), 0.05))
    world.promote(np.ones(60, bool), right, lost)
    for _ in range(2):
        found = world.anchor.mean() - world.champion.mean()
        assert found == pytest.approx(0.05, abs=0.006)
        world.arrive(2000)


def test_what_arrives_differs_from_the_anchor_as_much_as_what_was_there() -> None:
    world = Latent(LASTING, 60, 1, 1000, seed=5)
    for _ in range(10):
        right, lost = world.candidate(np.zeros((60, 1)))
        world.promote(np.ones(60, bool), right, lost)
    before = (world.anchor != world.champion).mean()
    world.arrive(1000)
    assert (world.anchor != world.champion).mean() == pytest.approx(before, abs=0.01)
    assert 0.12 < before < 0.177


@given(
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(100, 700),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_asking_stops_with_the_verdict_that_all_labels_give(
    worse: int, better: int, ties: int, known: int, items: int, random: object
) -> None:
    order = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    effects = order.permutation(np.repeat([1, -1, 0], [worse, better, ties]))[None]
    count = effects.shape[1]
    differ = np.ones((1, count), bool)
    test = Comparison(MARGIN, 0.04, 0.025)
    asked = ask(effects, differ, np.arange(count) < known, items, (test,))
    told = certain(np.array(worse), np.array(better), np.array(0), items, test)
    assert asked.verdicts == (int(told),) and told != OPEN
    assert asked.labels <= max(0, count - known)


def test_where_all_disagreements_could_be_losses_and_pass_nothing_is_asked() -> None:
    told, passed = first_updates(0.002, 1000, 20, seed=1)
    assert passed.all() and not told.any()


def test_a_shown_loss_stops_the_asking_early() -> None:
    effects = np.ones((1, 200), int)
    found = ask(effects, effects == 1, np.zeros(200, bool), 1000, (Comparison(MARGIN, 0.04, 0.05),))
    assert found.verdicts == (FAIL,) and found.labels < 200


def test_passing_is_decided_as_the_gate_decides_it() -> None:
    random = np.random.default_rng(0)
    worse, better = random.integers(0, 40, (2, 300))
    found = outcomes(worse, better, 800, MARGIN, GATE.alpha, 0.04)
    ours = within_p((worse, better), 800, MARGIN) <= 0.04
    assert (found.passed == ours).mean() > 0.99


@pytest.mark.parametrize(
    ("champion", "anchor", "held", "spent"),
    [
        ((200, 0), (200, 0), 0, 0),  # rejected
        ((10, 10), (75, 45), 0, 0),  # passed
        ((40, 10), (40, 10), 1, 0),  # held by the champion's comparison
        ((30, 20), (100, 55), 1, 0),  # held by the anchor's, far from its margin
        ((30, 20), (100, 45), 0, 1),  # held near the margin
    ],
)
def test_what_a_candidate_costs_depends_on_how_it_failed(
    champion: tuple[int, int], anchor: tuple[int, int], held: int, spent: int
) -> None:
    gate = Gate("now", 1, 1)
    first, second = (np.array(told)[:, None, None] for told in (champion, anchor))
    decided = gate.decide((first[0], first[1]), (second[0], second[1]), 1000)
    assert (gate.held[0, 0], gate.spent[0, 0]) == (held, spent)
    assert gate.level[0, 0] == level_now(spent + held)
    assert decided.promoted[0] == (champion == (10, 10))


def test_sound_streams_are_promoted_and_drips_stay_within_the_margin() -> None:
    fine = sound.follow(FORGOTTEN, "now", (2000, 100, None), 1, 10, updates=60)
    assert fine["promoted"].mean() > 0.95 and fine["rejected"].max() == 0
    drip = sound.follow(Kind(0.02), "now", (1000, 0, None), 1, 20, 0.3, updates=60)
    assert drip["beyond"] <= 0.05


def test_small_exams_do_not_let_losses_through_that_they_mostly_do_not_see(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drip, "STREAMS", 150)
    lost = drip.drip(hardness(answers()), 150, "gate", churn=0.01, updates=100)
    assert (lost[-1] > 6).mean() <= 0.05


def test_batches_write_their_own_exams_before_and_not_now() -> None:
    lost = {
        name: self_written.follow(setting, 10, 30)["lost"][-1]
        for name, setting in self_written.SETTINGS.items()
    }
    assert (lost["nothing brought, before, 400 rows at the start"] > 6).mean() > 0.9
    assert (lost["1,000 brought, before"] > 6).mean() > 0.9
    assert (lost["1,000 brought, now"] > 6).mean() == 0
    assert (lost["nothing brought, now"] > 6).mean() == 0


def test_a_pool_lets_harmless_batches_through_where_the_gate_was_closed() -> None:
    found = follow(FORGOTTEN, 2, 1000, 10, 5)
    before, _ = labels.before(2, 20, 10)
    assert found.promoted.mean() > 0.9 > 0.1 > before.mean()
    assert found.labels.mean() < 60


def test_looks_share_alpha() -> None:
    plan = refills.Plan(150, 50, 20)
    assert refills.refilled(plan, "before", 0.05, MARGIN, 4000)[0] > 0.08
    assert refills.refilled(plan, "now", 0.05, MARGIN, 4000)[0] < 0.05
    assert refills.in_portions(0.05, MARGIN, 1000)[0] < 0.06


def test_other_gates_refuse_or_let_through_what_ours_does_not() -> None:
    fine = rivals.drawn(1000, 0.05, 0.0, 2000, 1)
    assert rivals.ours(*fine, 1000).mean() > 0.9 > rivals.threshold(*fine, 1000).mean()
    bad = rivals.drawn(250, 0.05, 0.03, 2000, 1)
    assert rivals.ours(*bad, 250).mean() < 0.05 < rivals.proven_worse(*bad, 250).mean()


def test_wrong_labels_and_clusters_let_more_through_until_they_are_accounted_for() -> None:
    as_given, _, corrected = (noise.noisy(1000, MARGIN, 0.1, way, 4000)[0] for way in noise.WAYS)
    assert corrected < 0.05 < as_given
    together, single = (noise.clustered(1000, MARGIN, kept, 4000)[0] for kept in (5, 1))
    assert single < 0.05 < together
