"""Every test of the webhook begins without what another one has asked."""

from __future__ import annotations

import pytest

from webhook.review import remembered


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Opinions are kept beside the functions, not in them."""
    remembered.cache_clear()
