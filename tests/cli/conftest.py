"""The stand-in for paraphym, built once for all whole runs of the owner's job."""

import pytest
from owners_job import StandIn, make_stand_in


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return make_stand_in(tmp_path_factory.mktemp("stand-in"))
