"""Specs that write themselves: what they find, what they leave alone, and what refutes them."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig, PreTrainedModel

from hubmerge.derivation.certify import bench, certify, free_atoms, run
from hubmerge.derivation.depth import kinds
from hubmerge.derivation.derive import Derived, derive
from hubmerge.derivation.terms import Term, atoms
from hubmerge.derivation.trace import trace
from hubmerge.derivation.twin import LARGEST, make_twin, on_meta
from hubmerge.errors import DerivationError
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.specs.spec import FLIP, LINEAR, ROTARY, ROTATE, SCALE


def config_of(model_type: str, **fields: Any) -> Any:
    return AutoConfig.for_model(model_type, **fields)


@cache
def derived(model_type: str, name: str) -> Derived:
    """Of transformers' default configuration, which is that of a real model."""
    return derive(config_of(model_type), getattr(transformers, name))


def test_a_bert_of_full_size_is_described_layer_by_layer() -> None:
    found = derived("bert", "BertForSequenceClassification")
    free = found.spec.free_spaces()
    assert free["resid"] == 768
    assert {n: s for n, s in free.items() if ".7." in n} == {
        "bert.encoder.layer.7.head": 12,
        "bert.encoder.layer.7.qk": 64,
        "bert.encoder.layer.7.vo": 64,
        "bert.encoder.layer.7.ff": 3072,
    }
    assert len(free) == 2 + 12 * 4
    assert found.movable > 0.99
    assert found.deviation < 1e-12


def test_kinds_are_raised_as_far_as_the_law_holds() -> None:
    bert = derived("bert", "BertForSequenceClassification").spec
    assert bert.spaces["bert.encoder.layer.0.qk"].may == LINEAR
    assert bert.spaces["resid"].may == "permute"  # norms stand in the residual stream
    assert bert.spaces["resid_2"].may == FLIP  # through tanh
    llama = derived("llama", "LlamaForCausalLM").spec
    assert llama.spaces["resid"].may == ROTATE
    assert llama.spaces["model.layers.31.rot"].may == ROTARY
    assert llama.spaces["model.layers.31.vo"].may == LINEAR
    assert llama.spaces["model.layers.31.ff"].may == SCALE
    assert [gate.module for gate in llama.gates][-1] == "model.layers.31.mlp.gate_proj"


def test_biases_of_keys_are_listed_as_without_effect() -> None:
    found = derived("bert", "BertForSequenceClassification")
    assert found.without_effect == tuple(
        f"bert.encoder.layer.{n}.attention.self.key.bias" for n in (0, 1)
    )
    assert "key.bias" in found.family.text


def test_a_spec_says_what_stays_in_order_and_why() -> None:
    text = derived("bert", "BertForSequenceClassification").family.text
    assert "rows of it are looked up" in text
    assert "the model's answer" in text


def test_the_same_model_gives_the_same_spec() -> None:
    config = MlpHeadConfig(input_size=6, hidden_sizes=[8, 10], num_labels=3)
    one, other = (derive(config, MlpHeadForClassification).family.text for _ in range(2))
    assert one == other


def test_a_twin_is_small_and_has_every_kind_of_layer() -> None:
    config = config_of("gemma3_text", num_hidden_layers=13)
    kind = transformers.Gemma3ForCausalLM
    twin = make_twin(config, kind)
    assert twin.parameters < LARGEST
    assert twin.model.config.num_hidden_layers == 6  # the first with global attention
    assert kinds(twin.model) == kinds(on_meta(kind, config))


class DeadEnd(MlpHeadForClassification):
    """A model that forgets what its first layer says."""

    def forward(self, features: torch.Tensor, **kwargs: Any) -> Any:
        return super().forward(features * 0, **kwargs)


def test_dead_outputs_certify_nothing() -> None:
    config = MlpHeadConfig(input_size=6, hidden_sizes=[8], num_labels=3)
    twin = make_twin(config, DeadEnd)
    found = trace(twin.model, lambda: run(twin), twin.tensors)
    with torch.no_grad():
        twin.model.classifier.weight.zero_()
    certificate = certify(found, bench(twin))
    assert not free_atoms(found)
    assert "layers.0.linear.weight" in certificate.without_effect


def test_an_axis_that_is_wrongly_free_is_refuted() -> None:
    config = MlpHeadConfig(input_size=6, hidden_sizes=[8], num_labels=3)
    twin = make_twin(config, MlpHeadForClassification)
    found = trace(twin.model, lambda: run(twin), twin.tensors)
    for name, axis in (("classifier.weight", 0), ("classifier.bias", 0)):
        found.axes[name][axis] = wrong = found.axes[name][axis] if axis else _freed(found, name)
        assert wrong.why is None
    certify(found, bench(twin))
    left = {atom.size for atom in free_atoms(found)}
    assert left == {8}


def _freed(found: Any, name: str) -> Term:
    size = found.axes[name][0].size
    shared = getattr(found, "_shared", None) or Term(size)
    found._shared = shared
    return shared


class Scrambled(MlpHeadForClassification):
    """A model in which every axis meets an operation without a rule."""

    def forward(self, features: torch.Tensor, **kwargs: Any) -> Any:
        said = super().forward(features, **kwargs)
        for layer in self.layers:
            torch.linalg.svdvals(layer.linear.weight)
        torch.linalg.svdvals(self.classifier.weight)
        return said


def test_what_is_not_understood_stays_in_order() -> None:
    config = MlpHeadConfig(input_size=6, hidden_sizes=[8], num_labels=3)
    with pytest.raises(DerivationError, match="nothing") as refused:
        derive(config, Scrambled)
    assert "for which there is no rule" in str(refused.value)


class Peeking(MlpHeadForClassification):
    """A model that asks one unit for its shape; one that computes with it."""

    computes = False

    def forward(self, features: torch.Tensor, **kwargs: Any) -> Any:
        first = self.layers[0].linear.weight[0]
        scale = first.square().sum() if self.computes else first.shape[0]
        return super().forward(features * scale, **kwargs)


class Computing(Peeking):
    computes = True


def test_a_unit_that_is_only_asked_for_its_shape_may_move() -> None:
    config = MlpHeadConfig(input_size=6, hidden_sizes=[8], num_labels=3)
    assert derive(config, Peeking).spec.free_spaces()
    with pytest.raises(DerivationError, match="nothing") as refused:
        derive(config, Computing)
    assert "its units are taken one by one" in str(refused.value)


def test_every_free_atom_is_on_an_axis_of_the_model() -> None:
    twin = make_twin(config_of("gpt2", n_layer=1), transformers.GPT2LMHeadModel)
    found = trace(twin.model, lambda: run(twin), twin.tensors)
    traced = {a for dims in found.axes.values() for dim in dims for a in atoms(dim)}
    assert set(free_atoms(found)) <= traced
    assert isinstance(twin.model, PreTrainedModel)
