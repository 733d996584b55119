"""Types of models, each as transformers configures it, of every kind of input and of twin."""

from __future__ import annotations

import pytest
import transformers
from transformers import AutoConfig

from hubmerge.derivation.derive import derive

TYPES = {
    "bert": ("BertForTokenClassification", 49, 0.99),
    "electra": ("ElectraForSequenceClassification", 51, 0.99),
    "gpt2": ("GPT2LMHeadModel", 49, 0.99),
    "gpt_neox": ("GPTNeoXForCausalLM", 221, 0.99),
    "qwen3": ("Qwen3ForCausalLM", 97, 0.99),
    "mixtral": ("MixtralForCausalLM", None, 0.99),
    "t5": ("T5ForConditionalGeneration", 52, 0.99),
    "clip": ("CLIPModel", None, 0.99),
    "whisper": ("WhisperForConditionalGeneration", None, 0.99),
    "wav2vec2": ("Wav2Vec2ForCTC", None, 0.9),
    "convnext": ("ConvNextForImageClassification", None, 0.99),
    "swin": ("SwinForImageClassification", None, 0.98),
    "clap": ("ClapModel", None, 0.99),
    "glpn": ("GLPNForDepthEstimation", None, 0.99),
    "mobilevit": ("MobileViTForImageClassification", None, 0.99),
    "wavlm": ("WavLMForSequenceClassification", None, 0.9),
    "yolos": ("YolosForObjectDetection", None, 0.99),
}
QUICK = ("bert", "gpt2", "t5")
"""Those of the fast suite whose derivation others in it do not cover."""


@pytest.mark.parametrize(
    "model_type",
    [pytest.param(t, marks=() if t in QUICK else pytest.mark.slow) for t in TYPES],
)
def test_nearly_all_of_it_may_move(model_type: str) -> None:
    name, spaces, share = TYPES[model_type]
    found = derive(AutoConfig.for_model(model_type), getattr(transformers, name))
    assert found.deviation < 1e-9
    assert found.movable > share
    assert spaces is None or len(found.spec.free_spaces()) == spaces
