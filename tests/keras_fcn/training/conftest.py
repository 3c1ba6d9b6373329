from __future__ import annotations

import pytest

from tests.keras_fcn.training.nets import shapes_data


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return shapes_data(tmp_path_factory.mktemp("shapes"))
