"""Feature classification: one label for a row of numbers, such as a frozen embedding.

The models are MLP heads (`hubmerge/models/mlp_head.py`), which take images as well: through an
image processor, as one long row of numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.tasks._classes import LABEL_AXES, MEASURES, by_problem_type
from hubmerge.tasks._registry import register
from hubmerge.tasks._task import Example, Task

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading

MODEL_TYPE = "mlp_head"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether the model is an MLP head."""
    return config.model_type == MODEL_TYPE


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Features as they are, else images through the processor; what is right from the labels.

    Raises: DataError, LabelError.
    """
    from hubmerge.data.batches import feature_reader, image_reader
    from hubmerge.data.reading import read_labelled

    size = wanted.model.config.input_size
    if data.feature_column is not None:
        reader, unit = feature_reader(data, size), "rows"
    else:
        reader, unit = image_reader(data, wanted.model, wanted.processor, size), "images"
    return read_labelled(data, wanted, reader, unit)


TASK = register(
    Task(
        name="feature-classification",
        summary="MLP heads on feature vectors, or on images as one row of numbers",
        pipeline_tag="image-classification",
        auto_class="AutoModelForImageClassification",
        auto_processor="AutoImageProcessor",
        accepts=accepts,
        label_axes=LABEL_AXES,
        companion_files=("preprocessor_config.json", "processor_config.json"),
        probe=probe,
        inputs=("image", "feature"),
        columns="an image or a list of numbers, and labels",
        read=read,
        measures=MEASURES,
        measure_of=by_problem_type,
        example=Example(
            before=(
                f'import hubmerge  # first: it teaches transformers the family "{MODEL_TYPE}"',
            ),
            note=f"The family `{MODEL_TYPE}` is not part of transformers: `pip install hubmerge`, "
            "and `import hubmerge` before loading.",
        ),
    )
)
