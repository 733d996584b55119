"""Dead leaves look like nothing in particular and have the statistics of photographs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ViTImageProcessor

from hubmerge.data.batches import BATCH_SIZE
from hubmerge.data.synthetic.batches import can_be_shown, synthetic_batches
from hubmerge.data.synthetic.dead_leaves import dead_leaves
from hubmerge.errors import RecipeError
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from tests.helpers.tiny import generic


class Processor:
    """What of an image processor is used here."""

    image_mean = (0.5, 0.5, 0.5)

    def __init__(self, size):
        self.size = size

    def __call__(self, images, return_tensors):
        assert return_tensors == "pt"
        arrays = np.stack([np.asarray(image) for image in images])
        return {"pixel_values": torch.tensor(arrays).permute(0, 3, 1, 2) / 255}


def test_an_image_depends_on_its_number_and_seed_alone():
    one = dead_leaves(3, 24, 32)
    assert one.shape == (24, 32, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, dead_leaves(3, 24, 32))
    assert not np.array_equal(one, dead_leaves(4, 24, 32))
    assert not np.array_equal(one, dead_leaves(3, 24, 32, seed=1))


def test_power_falls_with_frequency_as_in_photographs():
    """About as one over frequency squared: an exponent between 1.5 and 3."""
    size = 64
    images = np.stack([dead_leaves(k, size, size).mean(-1) for k in range(40)])
    spectrum = (np.abs(np.fft.fft2(images - images.mean((1, 2), keepdims=True))) ** 2).mean(0)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    wanted = (frequency > 2 / size) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[wanted]), np.log(spectrum[wanted]), 1)[0]
    assert -3 < slope < -1.5


def test_brightness_and_contrast_are_those_of_photographs():
    images = np.stack([dead_leaves(k, 32, 32) for k in range(40)]) / 255
    assert images.mean() == pytest.approx(0.47, abs=0.03)
    assert images.std() == pytest.approx(0.25, abs=0.03)
    channels = images.reshape(-1, 3)
    assert (np.corrcoef(channels.T) > 0.5).all(), "channels go together"


def test_batches_are_those_of_the_models_processor():
    batches = synthetic_batches(generic("vit"), Processor({"height": 8, "width": 8}), images=150)
    assert len(batches) == 2
    assert batches.rows == 150
    assert [len(batches[k]) for k in range(2)] == [BATCH_SIZE, 50]
    assert batches[0].labels is None
    first = torch.tensor(dead_leaves(BATCH_SIZE, 8, 8)).permute(2, 0, 1) / 255
    assert torch.equal(batches[1].inputs["pixel_values"][0], first)


def test_no_size_is_made_up():
    """A processor that leaves images as they are says no size, whatever else stands in its file."""
    resnet, leaving = generic("resnet-basic"), ViTImageProcessor(do_resize=False)
    assert not can_be_shown(resnet, leaving)
    assert not can_be_shown(resnet, None)
    assert can_be_shown(generic("vit"), leaving)
    with pytest.raises(RecipeError, match="nothing says how large") as refused:
        synthetic_batches(resnet, leaving)
    assert 'match="weights"' in str(refused.value)
    assert synthetic_batches(generic("vit"), leaving)[0].inputs["pixel_values"].shape[2:] == (8, 8)


def test_a_model_that_takes_no_images_is_refused():
    model = MlpHeadForClassification(MlpHeadConfig(hidden_sizes=[4]))
    with pytest.raises(RecipeError, match="without an image processor") as refused:
        synthetic_batches(model, None)
    assert 'match="weights"' in str(refused.value)
