"""How many inputs a fuzz test tries."""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import HealthCheck, settings

DEFAULT_EXAMPLES = 100


def examples(count: int = DEFAULT_EXAMPLES) -> settings:
    """Settings for a fuzz test: `count` inputs, or as many as FREEZETUI_FUZZ says; the same in every run unless it is set."""
    wanted = os.environ.get("FREEZETUI_FUZZ")
    return settings(
        max_examples=count if wanted is None else int(wanted),
        derandomize=wanted is None,
        database=None,
        deadline=timedelta(seconds=2),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )
