"""Proving a spec catches what binding cannot see."""

from __future__ import annotations

import pytest
import torch

from hubmerge.errors import SpecError
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.specs.family import SPECS_VARIABLE, load_families
from hubmerge.symmetry.laws import TOLERANCE, deviation, prove, spec_of
from tests.helpers.families import family
from tests.helpers.tiny import EVERY, generic, probe


def test_running_statistics_under_param_are_refused(tmp_path, monkeypatch):
    """Matching would listen to them."""
    text = load_families().named("mlp_head").text.replace('"mlp_head"', '"mlp_other"', 1)
    text = text.replace("[block.buffer]\n", "")
    family(tmp_path, text, "other")
    monkeypatch.setenv(SPECS_VARIABLE, str(tmp_path / "specs"))
    model = MlpHeadForClassification(MlpHeadConfig(hidden_sizes=[4], norm="batch"))
    model.config.model_type = "mlp_other"
    with pytest.raises(SpecError) as refused:
        spec_of(model)
    said = str(refused.value)
    assert "layers.0.norm.num_batches_tracked [] stands under [param]" in said
    assert "as are 2 more" in said
    assert "specs/other.toml" in said
    assert "move its line to [buffer]" in said


def test_a_deviation_that_is_not_finite_is_infinite():
    good, bad = torch.ones(2), torch.tensor([1.0, float("nan")])
    assert deviation(good, bad) == float("inf")
    assert deviation(good, good) == 0
    assert deviation(2 * good, 3 * good) == pytest.approx(0.5)


def test_what_rounding_adds_to_outputs_of_zero_is_no_deviation():
    """Such as those of a head that was never trained."""
    nothing = torch.zeros(3, dtype=torch.float64)
    assert deviation(nothing, nothing + 1e-18) < TOLERANCE
    assert deviation(nothing, nothing + 1e-12) > TOLERANCE


def test_every_element_a_proof_applies_moves_every_space(monkeypatch):
    """A random permutation of two heads is the identity every other time."""
    model = generic("vit")
    spec = spec_of(model)
    applied = []

    def watched(spec, state, element):
        applied.append(element)
        return state

    monkeypatch.setattr("hubmerge.symmetry.laws.permute", watched)
    monkeypatch.setattr(
        "hubmerge.symmetry.laws.random_permutation",
        lambda spec, seed: {
            n: torch.arange(s).expand(spec.index_shape(n)) for n, s in spec.free_spaces().items()
        },
    )
    prove(model, spec, probe(model), elements=1)
    (element,) = applied
    for name, index in element.items():
        still = torch.arange(index.shape[-1])
        assert (index != still).any(-1).all(), name
        assert torch.equal(index.sort(-1).values, still.expand(index.shape))


def test_experts_that_are_multiplied_at_once_are_proved_one_by_one():
    model = EVERY["mixtral"].build(experts_implementation="grouped_mm").double().eval()
    assert prove(model, spec_of(model), probe(model), elements=1).deviation < 1e-11
    assert model.config._experts_implementation == "grouped_mm"
