"""`cache`: what may be computed again."""

from __future__ import annotations

from components.settings.section import Count, Section


class CacheSettings(Section):
    """What the frozen layers computed, kept on disk; 0 keeps nothing. No result depends on it."""

    max_megabytes: Count = 2000
