"""A derivation that takes longer than it may is refused, and tried again another time."""

from __future__ import annotations

import pytest

from hubmerge.derivation.budget import deriving_within, timed
from hubmerge.derivation.derive import derive
from hubmerge.derivation.ensure import ensure_spec
from hubmerge.errors import ResourceError
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification


class Unreviewed(MlpHeadConfig):
    """The configuration of a class without a spec."""

    model_type = "unreviewed-head"


CONFIG = Unreviewed(input_size=6, hidden_sizes=[8], num_labels=3)


def test_it_ends_when_its_time_is_over() -> None:
    with deriving_within(0), pytest.raises(ResourceError, match="takes longer than it may") as said:
        derive(CONFIG, MlpHeadForClassification)
    assert "0 seconds of processor time are over" in str(said.value)
    assert "MlpHeadForClassification" in str(said.value)
    assert "needs no spec; or derive it where" in str(said.value)


def test_what_took_too_long_is_not_remembered_as_refused() -> None:
    model = MlpHeadForClassification(CONFIG)
    with deriving_within(0), pytest.raises(ResourceError):
        ensure_spec(model)
    record = ensure_spec(model)
    assert record is not None
    assert record.movable > 0.9


def test_where_memory_runs_out_it_says_so() -> None:
    with pytest.raises(ResourceError, match=r"not enough memory .* of Large"), timed("Large"):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes")
    with pytest.raises(RuntimeError, match="another"), timed("Large"):
        raise RuntimeError("another")
