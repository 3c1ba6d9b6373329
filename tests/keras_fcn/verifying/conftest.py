"""One small network for all tests of this room."""

from __future__ import annotations

import pytest

from tests.keras_fcn.verifying.nets import Net, small_net


@pytest.fixture(scope="package")
def net(tmp_path_factory) -> Net:
    """The small network; its files are not to be changed."""
    return small_net(tmp_path_factory.mktemp("verify"))
