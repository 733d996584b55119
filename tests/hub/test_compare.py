"""Two models merge only if they compute the same function of their weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig

from hubmerge.errors import LabelError, MismatchError, RecipeError
from hubmerge.hub.compare import check_mergeable, label_permutation
from hubmerge.hub.config_fields import config_fields
from hubmerge.hub.describe import Description, describe
from hubmerge.hub.source import resolve
from tests.helpers.small_models import ANIMALS, save, tiny_resnet, tiny_vit

VIT_FIELDS: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "hidden_act": "relu",
    "layer_norm_eps": 1e-6,
    "image_size": 16,
    "patch_size": 2,
    "num_channels": 1,
    "qkv_bias": False,
}
RESNET_FIELDS: dict[str, Any] = {
    "embedding_size": 16,
    "hidden_sizes": [8, 32],
    "depths": [1, 2],
    "layer_type": "bottleneck",
    "hidden_act": "gelu",
    "downsample_in_first_stage": True,
}
PROCESSOR_FIELDS: dict[str, Any] = {
    "size": {"height": 16, "width": 8},
    "image_mean": [0.4, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.3],
    "do_normalize": False,
    "do_rescale": False,
    "rescale_factor": 0.5,
    "resample": 3,
}
FREE: dict[str, Any] = {
    "hidden_dropout_prob": 0.3,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.5,
    "problem_type": "single_label_classification",
}


def described(folder: Path) -> Description:
    return describe(resolve(str(folder)))


def refused(a: Path, b: Path) -> str:
    """The text of the refusal, which does not depend on which comes first but for the order."""
    texts = []
    for pair in ((a, b), (b, a)):
        with pytest.raises(MismatchError) as error:
            check_mergeable(*map(described, pair))
        texts.append(error.value.what)
    assert texts[0] == texts[1]
    return str(error.value)


def test_same_models_merge(tmp_path: Path) -> None:
    a, b = (save(tmp_path / str(seed), tiny_vit(seed)) for seed in (0, 1))
    check_mergeable(described(a), described(b))


def test_different_architectures(tmp_path: Path) -> None:
    text = refused(save(tmp_path / "a", tiny_vit()), save(tmp_path / "b", tiny_resnet()))
    assert "ViTForImageClassification" in text
    assert "ResNetForImageClassification" in text


@pytest.mark.parametrize("field", VIT_FIELDS)
def test_every_vit_field_that_changes_the_function(field: str, tmp_path: Path) -> None:
    a = save(tmp_path / "a", tiny_vit())
    b = save(tmp_path / "b", tiny_vit(**{field: VIT_FIELDS[field]}))
    text = refused(a, b)
    assert f"differ in {field}\n" in text
    assert repr(VIT_FIELDS[field]) in text


@pytest.mark.parametrize("field", RESNET_FIELDS)
def test_every_resnet_field_that_changes_the_function(field: str, tmp_path: Path) -> None:
    a = save(tmp_path / "a", tiny_resnet())
    b = save(tmp_path / "b", tiny_resnet(**{field: RESNET_FIELDS[field]}))
    assert f"differ in {field}\n" in refused(a, b)


@pytest.mark.parametrize("field", PROCESSOR_FIELDS)
def test_every_processor_field_that_changes_a_pixel(field: str, tmp_path: Path) -> None:
    a = save(tmp_path / "a", tiny_vit())
    b = save(tmp_path / "b", tiny_vit(), **{field: PROCESSOR_FIELDS[field]})
    text = refused(a, b)
    assert f"differ in {field}" in text
    assert "preprocessor_config.json" in text


def test_a_processor_on_one_side_only(tmp_path: Path) -> None:
    a, b = (save(tmp_path / name, tiny_vit()) for name in "ab")
    (b / "preprocessor_config.json").unlink()
    assert "preprocessor_config.json" in refused(a, b)


@pytest.mark.parametrize("field", FREE)
def test_fields_that_do_not_change_the_function(field: str, tmp_path: Path) -> None:
    a, b = save(tmp_path / "a", tiny_vit()), save(tmp_path / "b", tiny_vit(**{field: FREE[field]}))
    check_mergeable(described(a), described(b))


def test_stored_precision_is_free(tmp_path: Path) -> None:
    a, b = save(tmp_path / "a", tiny_vit()), save(tmp_path / "b", tiny_vit().half())
    check_mergeable(described(a), described(b))


def test_other_number_of_classes(tmp_path: Path) -> None:
    a = save(tmp_path / "a", tiny_vit())
    b = save(tmp_path / "b", tiny_vit(id2label={0: "cat", 1: "dog"}, label2id={"cat": 0, "dog": 1}))
    with pytest.raises(LabelError, match=r"3 classes.*2"):
        check_mergeable(described(a), described(b))


def test_label_names_are_not_this_check_s_concern(tmp_path: Path) -> None:
    a = save(tmp_path / "a", tiny_vit())
    b = save(tmp_path / "b", tiny_vit(id2label={0: "dog", 1: "eel", 2: "cat"}))
    check_mergeable(described(a), described(b))


@given(st.permutations([f"class {i}" for i in range(6)]))
def test_a_label_permutation_brings_names_to_their_place(names: list[str]) -> None:
    a = {i: f"class {i}" for i in range(6)}
    b = dict(enumerate(names))
    there, back = label_permutation(a, b), label_permutation(b, a)
    assert [b[i] for i in there] == list(a.values())
    assert [there[i] for i in back] == list(range(6))


def test_label_names_in_no_order_of_their_keys() -> None:
    assert label_permutation(ANIMALS, {2: "cat", 0: "eel", 1: "dog"}) == [2, 1, 0]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ({0: "cat", 1: "dog"}, {0: "ship", 1: "car"}, "0 of 2 names"),
        ({0: "cat", 1: "dog"}, {0: "cat", 1: "car"}, "1 of 2 names"),
        ({0: "cat", 1: "dog"}, {0: "cat"}, "2 classes, B has 1"),
        ({0: "LABEL_0", 1: "LABEL_1"}, {0: "LABEL_0", 1: "LABEL_1"}, "say nothing"),
        ({0: "cat", 1: "dog"}, {0: "LABEL_0", 1: "LABEL_1"}, "say nothing"),
        ({0: "crane", 1: "cat", 2: "crane"}, {0: "cat", 1: "crane", 2: "crane"}, "twice"),
        ({0: "cat", 1: "dog"}, {0: "cat", 1: "Cat"}, "twice.*\n.*'Cat', 'cat' in parent B"),
        ({0: "cat", 1: "dog"}, {0: "cat", 1: "LABEL_1"}, "'LABEL_1' in parent B"),
    ],
)
def test_labels_that_cannot_be_brought_together(
    a: dict[int, str], b: dict[int, str], said: str
) -> None:
    with pytest.raises(LabelError, match=said):
        label_permutation(a, b)
    if len(a) == len(b):
        assert label_permutation(a, b, by="index") == list(range(len(a)))


def test_names_used_twice_in_the_same_places_are_fine() -> None:
    cranes = {0: "crane", 1: "cat", 2: "crane"}
    assert label_permutation(cranes, cranes) == [0, 1, 2]


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(RecipeError, match="guess"):
        label_permutation(ANIMALS, ANIMALS, by="guess")  # type: ignore[arg-type]


def test_label_names_in_another_spelling() -> None:
    a = {0: "New York", 1: "los_angeles", 2: "Rome"}
    b = {0: "rome", 1: "new_york", 2: "Los Angeles"}
    assert label_permutation(a, b) == [1, 2, 0]
    assert label_permutation(a, {0: "new york", 1: "LOS ANGELES", 2: "ROME "}) == [0, 1, 2]


def test_names_that_are_one_in_another_spelling_are_ambiguous() -> None:
    a, b = {0: "New York", 1: "new_york", 2: "Rome"}, {0: "Rome", 1: "New York", 2: "new_york"}
    with pytest.raises(LabelError, match="twice"):
        label_permutation(a, b)


EMPTY: list[tuple[str, dict[str, Any]]] = [
    ("config.json", {"quantization_config": None}),
    ("config.json", {"quantization_config": {}}),
    ("config.json", {"quantization_config": {"quant_method": None}}),
    ("config.json", {"auto_map": None}),
    ("config.json", {"label2id": {}}),
    ("config.json", {"initializer_range": None, "hidden_dropout_prob": None, "use_cache": None}),
    ("config.json", {"torch_dtype": None, "problem_type": None, "task_specific_params": None}),
    ("preprocessor_config.json", {"auto_map": None, "processor_class": None}),
    ("preprocessor_config.json", {"do_center_crop": None}),
]


@pytest.mark.parametrize(("file", "fields"), EMPTY, ids=str)
@pytest.mark.parametrize("which", [0, 1])
def test_fields_that_say_nothing(
    which: int, file: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    pair = [save(tmp_path / name, tiny_vit()) for name in "ab"]
    edit(pair[which] / file, **fields)
    check_mergeable(*map(described, pair))


OF_OTHER_TOOLS: list[tuple[str, dict[str, Any]]] = [
    ("config.json", {"unsloth_version": "2025.10.1", "unsloth_fixed": True}),
    ("config.json", {"axolotl": {"lr": 1e-4, "steps": [1, 2]}}),
    ("config.json", {"torchscript": False, "use_bfloat16": False, "tf_legacy_loss": False}),
    ("preprocessor_config.json", {"exported_by": "some tool"}),
]


@pytest.mark.parametrize(("file", "fields"), OF_OTHER_TOOLS, ids=str)
def test_fields_of_other_tools_are_not_compared(
    file: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    a, b = (save(tmp_path / name, tiny_vit()) for name in "ab")
    edit(b / file, **fields)
    check_mergeable(described(a), described(b))


def test_with_code_of_its_own_every_field_counts(tmp_path: Path) -> None:
    a, b = (described(save(tmp_path / name, tiny_vit())) for name in "ab")
    b.config.unsloth_fixed = True
    check_mergeable(a, b)
    for each in (a, b):
        each.config.auto_map = {"AutoModel": "modeling.Model"}
    with pytest.raises(MismatchError, match="unsloth_fixed"):
        check_mergeable(a, b)


def test_a_field_that_only_the_model_s_code_knows_counts() -> None:
    """Some code reads fields that the configuration does not declare."""
    assert "is_decoder" in config_fields(BertConfig(is_decoder=True), "BertModel").compared


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
