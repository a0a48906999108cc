"""`drift`: what is looked for in new data, and what a finding asks for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.settings.section import Policy, Probability, Section, Share


class DriftPolicies(Section):
    """What a finding of one check asks for; None: what `drift.policy` says."""

    domain_classifier: Policy | None = None
    mmd: Policy | None = None
    outliers: Policy | None = None
    length: Policy | None = None
    language: Policy | None = None
    labels: Policy | None = None
    new_labels: Policy | None = None
    vanished_labels: Policy | None = None
    concept: Policy | None = None
    pool: Policy | None = None


class DriftSettings(Section):
    """Drift checks: what a finding asks for, and from where on it is one.

    `sample_items`: rows a side whose texts are compared. `alpha`: false discovery rate over the
    checks of one batch. The floors are what an effect must exceed (docs/drift.md). A `concept`
    finding above `concept_hold_points` holds the batch, though its policy is `note`.
    """

    policy: Policy = "note"
    policies: DriftPolicies = DriftPolicies()
    sample_items: Annotated[int, Field(ge=20, le=5000)] = 200
    permutations: Annotated[int, Field(ge=20, le=10_000)] = 200
    alpha: Probability = 0.05
    auc_floor: Annotated[float, Field(ge=0.5, le=1.0)] = 0.6
    mmd_floor: Share = 0.002
    outlier_floor: Share = 0.15
    length_floor: Share = 0.2
    language_floor: Share = 0.1
    label_effect_floor: Share = 0.1
    new_label_floor: Share = 0.01
    vanished_label_floor: Share = 0.05
    concept_floor_points: Annotated[float, Field(ge=0.0, le=100.0)] = 5.0
    concept_hold_points: Annotated[float, Field(ge=0.0, le=100.0)] = 15.0

    def policy_of(self, check: str) -> Policy:
        """Return what a finding of this check asks for."""
        own: Policy | None = getattr(self.policies, check)
        return own or self.policy

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return the checks that are not ignored."""
        names = DriftPolicies.model_fields
        return tuple(name for name in names if self.policy_of(name) != "ignore")
