"""Pages without a browser, for all their tests."""

from __future__ import annotations

from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner


@pytest.fixture(autouse=True, scope="session")
def installed_components():
    """Streamlit looks through all installed packages for components once, not in every test.

    It took a fifth of a second for each `AppTest`, most of the time of many.
    """
    with pytest.MonkeyPatch.context() as patch:
        found = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        yield
