"""How large images are, by what a processor and a configuration say."""

from __future__ import annotations

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features
from datasets import Image as Picture
from PIL import Image
from transformers import (
    ConvNextImageProcessor,
    GPT2Config,
    GPT2LMHeadModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

import hubmerge as hm
from hubmerge.errors import DataError
from hubmerge.models.images import image_size, misfit
from tests.helpers.small_models import ANIMALS, save, tiny_vit
from tests.helpers.zoo import write_data

PLAIN = ResNetConfig()
SQUARE = ViTConfig(image_size=8)
OBLONG = ViTConfig(image_size=[8, 12])
CROPPING = {"do_center_crop": True, "crop_size": {"height": 10, "width": 14}}


@pytest.mark.parametrize(
    ("config", "says", "wanted"),
    [
        (PLAIN, {"size": {"height": 20, "width": 30}}, (20, 30)),
        (PLAIN, {"size": {"shortest_edge": 24}}, (24, 24)),
        (PLAIN, {"size": {"shortest_edge": 24}, **CROPPING}, (24, 24)),
        (SQUARE, {"do_resize": False}, (8, 8)),
        (OBLONG, {"do_resize": False}, (8, 12)),
        (OBLONG, {"do_resize": False, **CROPPING}, (8, 12)),
        (PLAIN, {"do_resize": False, **CROPPING}, (10, 14)),
        (
            PLAIN,
            {"do_resize": False, "do_pad": True, "pad_size": {"height": 9, "width": 7}},
            (9, 7),
        ),
        (PLAIN, {"do_resize": False, "size": {"height": 20, "width": 30}}, None),
        (PLAIN, {"do_resize": False}, None),
    ],
)
def test_a_size_is_read_where_it_is_followed(config, says, wanted):
    assert image_size(config, ViTImageProcessor(**says)) == wanted


def vit(**config):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 4}
    return ViTForImageClassification(ViTConfig(intermediate_size=24, **sizes, **config)).eval()


@pytest.mark.parametrize(
    ("size", "processor", "found"),
    [
        (8, {"size": {"height": 8, "width": 8}}, None),
        (8, {"size": {"height": 16, "width": 16}}, ((16, 16), (8, 8))),
        (8, {"size": {"height": 8, "width": 16}}, ((8, 16), (8, 8))),
        ([8, 16], {"size": {"height": 8, "width": 16}}, None),
        ([8, 16], {"size": {"height": 16, "width": 8}}, ((16, 8), (8, 16))),
        (8, {"do_resize": False}, None),  # whether it fits depends on the images
        (8, {"do_resize": False, **CROPPING}, ((10, 14), (8, 8))),
    ],
)
def test_a_vit_and_a_processor_that_do_not_belong_together(size, processor, found):
    assert misfit(vit(image_size=size), ViTImageProcessor(**processor)) == found


def test_the_shortest_edge_alone_does_not_fit_either():
    short = ConvNextImageProcessor(size={"shortest_edge": 16})
    assert misfit(vit(image_size=8), short) == ((16, 16), (8, 8))
    assert misfit(vit(image_size=16), short) is None


def test_images_of_a_size_that_the_model_refuses_are_refused(tmp_path):
    """A processor that leaves images as they are says nothing of it, so the data must."""
    for seed, name in enumerate("ab"):
        save(tmp_path / name, tiny_vit(seed), do_resize=False)
    a, b = hm.load(str(tmp_path / "a")), hm.load(str(tmp_path / "b"))
    for side in (8, 12):
        images = [Image.new("RGB", (side, side), (9 * k, k, 0)) for k in range(20)]
        kinds = Features({"image": Picture(), "label": ClassLabel(names=list(ANIMALS.values()))})
        rows = Dataset.from_dict({"image": images, "label": [k % 3 for k in range(20)]}, kinds)
        write_data(tmp_path / f"d{side}", DatasetDict(test=rows))
    assert hm.match(a, b, by="activations", dataset=str(tmp_path / "d8"))
    with pytest.raises(DataError, match="are 12 x 12, the model takes 8 x 8"):
        hm.match(a, b, by="activations", dataset=str(tmp_path / "d12"))


def test_a_model_that_takes_any_size_fits_whatever_its_configuration_names():
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic")
    config.image_size = 32
    model = ResNetForImageClassification(config).eval()
    assert misfit(model, ViTImageProcessor(size={"height": 16, "width": 16})) is None
    assert misfit(model, None) is None


def test_a_model_that_takes_no_images_has_no_size_of_its_own():
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=8, image_size=8)
    assert misfit(GPT2LMHeadModel(config).eval(), ViTImageProcessor(size=(20, 20))) is None
