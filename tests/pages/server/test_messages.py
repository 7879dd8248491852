"""What the server sends a browser does not depend on what the browser has kept."""

from __future__ import annotations

import pytest
from visitor import Visitor


@pytest.mark.parametrize("page", ["interpolate", "learn_amortised", "map"])
def test_every_message_is_whole(app, page):
    """A browser may let go of a message after it has told the server that it has it."""
    with Visitor.at(app) as visitor:
        first = visitor.open(page)
        assert any(message.ByteSize() > 10_000 for message in first), "there is nothing to keep"
        again = visitor.open(page, known={message.hash for message in first})
    assert not any(message.HasField("ref_hash") for message in again)
    assert not any(message.metadata.cacheable for message in first), "it would be kept in vain"
