"""How much tests look at: less, or with THOROUGH in the environment all."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import settings

THOROUGH = "THOROUGH" in os.environ


def examples(count: int) -> Callable[..., Any]:
    """Look at `count` random examples when thorough, else at a quarter of them, at least 5."""
    few = max(count // 4, 5)
    return settings(max_examples=count if THOROUGH else few, deadline=None)
