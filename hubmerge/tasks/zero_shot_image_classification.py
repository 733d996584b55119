"""Zero-shot image classification: images against a text for each class, as CLIP and SigLIP do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.data.column_types import CLASSES
from hubmerge.tasks._architectures import loads
from hubmerge.tasks._classes import class_statistics, mean_of_parents
from hubmerge.tasks._registry import register
from hubmerge.tasks._task import Example, Measure, Task, Words
from hubmerge.tasks._texts import TOKENIZER_FILES

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading

AUTO_CLASS = "AutoModelForZeroShotImageClassification"
MODEL_TYPES = ("clip", "siglip", "metaclip_2", "altclip", "chinese_clip")
"""Those with a tower for images and one for texts, whose cosines times a scale are the logits."""


def accepts(config: PreTrainedConfig) -> bool:
    """Whether the model has two towers whose embeddings are compared."""
    return config.model_type in MODEL_TYPES and loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Images, and the classes of the data set as texts. Raises: DataError, LabelError."""
    from hubmerge.data.prompt_rows import read_prompted

    return read_prompted(data, wanted)


TASK = register(
    Task(
        name="zero-shot-image-classification",
        summary="image and text towers: CLIP, SigLIP",
        pipeline_tag="zero-shot-image-classification",
        auto_class=AUTO_CLASS,
        auto_processor="AutoProcessor",
        accepts=accepts,
        label_axes={},
        companion_files=(
            *TOKENIZER_FILES,
            "preprocessor_config.json",
            "processor_config.json",
        ),
        probe=probe,
        inputs=("image",),
        columns="an image, and labels with names",
        read=read,
        measures=(
            Measure(
                name="prompted classes",
                statistics=class_statistics,
                answers=CLASSES,
                combine=mean_of_parents,
                one_of_n=False,
                named=False,
                words=Words(scale="losses in nats; classes are those of the data set, as texts"),
            ),
        ),
        example=Example(
            use=(
                "from PIL import Image",
                'texts = ["This is a photo of a cat.", "This is a photo of a dog."]',
                'image = Image.new("RGB", (64, 64))  # yours',
                'inputs = processor(text=texts, images=image, padding=True, return_tensors="pt")',
                "print(model(**inputs).logits_per_image)",
            ),
        ),
    )
)
