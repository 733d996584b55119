"""Feature extraction: models that embed texts, as those of sentence-transformers.

How alike two texts are says the cosine of their embeddings, which are made of the states of their
tokens as the model's own modules say, or by their mean. What that is held to say the columns of the
data: a score, or which texts belong together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from hubmerge.data.column_types import NUMBERS
from hubmerge.data.sentence_modules import FILES
from hubmerge.tasks._architectures import knows, loads
from hubmerge.tasks._registry import register
from hubmerge.tasks._task import Example, Measure, Task, Words
from hubmerge.tasks._texts import TOKENIZER_FILES

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading
    from hubmerge.models.nearest_outputs import RetrievalOutputs, TripletOutputs
    from hubmerge.models.outputs import Outputs, RowStatistics
    from hubmerge.models.similarity_outputs import SimilarityOutputs

TEXT_MODELS = ("AutoModelForMaskedLM", "AutoModelForCausalLM")
"""Auto classes of models that read texts and have a body which embeds them."""


def accepts(config: PreTrainedConfig) -> bool:
    """Whether the model is the body of a language model, without any head."""
    if loads("AutoModelForTextEncoding", config):
        return True
    encoder = not getattr(config, "is_encoder_decoder", False)
    return encoder and loads("AutoModel", config) and any(knows(a, config) for a in TEXT_MODELS)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Texts that are compared, and how alike they are. Raises: DataError."""
    from hubmerge.data.pair_rows import read_pairs

    return read_pairs(data, wanted)


def statistics(config: PreTrainedConfig) -> RowStatistics:
    """The cosine of each pair; `read` knows how states of tokens are pooled."""
    from hubmerge.models.similarity_outputs import SimilarityStatistics

    return SimilarityStatistics(("mean_tokens",))


def combine(members: Sequence[Outputs], known: np.ndarray | None = None) -> Outputs:
    """The mean of the parents' cosines."""
    from hubmerge.models.similarity_outputs import mean_similarity

    return mean_similarity(cast("Sequence[SimilarityOutputs]", members))


def _triplet_statistics(config: PreTrainedConfig) -> RowStatistics:
    from hubmerge.models.nearest_outputs import TripletStatistics

    return TripletStatistics(("mean_tokens",))


def _mean_triplets(members: Sequence[Outputs], known: np.ndarray | None = None) -> Outputs:
    from hubmerge.models.nearest_outputs import mean_triplets

    return mean_triplets(cast("Sequence[TripletOutputs]", members))


def _retrieval_statistics(config: PreTrainedConfig) -> RowStatistics:
    from hubmerge.models.nearest_outputs import RetrievalStatistics

    return RetrievalStatistics(("mean_tokens",))


def _mean_retrieval(members: Sequence[Outputs], known: np.ndarray | None = None) -> Outputs:
    from hubmerge.models.nearest_outputs import mean_retrieval

    return mean_retrieval(cast("Sequence[RetrievalOutputs]", members))


SIMILARITY = Measure(
    name="similarity",
    statistics=statistics,
    answers=NUMBERS,
    combine=combine,
    one_of_n=False,
    named=False,
    words=Words(
        accuracy="Spearman correlation",
        metric="spearmanr",
        loss="rank error",
        nats="of rank error",
        kind="rank error",
        scale="correlations are those of the cosine of two embeddings and the score of "
        "the pair; the rank error is the squared difference of their ranks, so scaled "
        "that 1 minus its mean is Spearman's correlation",
        measured="Spearman and Pearson correlation of cosines and scores, rank error",
        calibrates=False,
    ),
)
TRIPLETS = Measure(
    name="triplets",
    statistics=_triplet_statistics,
    answers=None,
    combine=_mean_triplets,
    one_of_n=False,
    named=False,
    words=Words(
        accuracy="triplet accuracy",
        metric="cosine_accuracy",
        scale="triplet accuracy is the share of triplets whose first text has the larger cosine "
        "with the text that belongs to it than with the one that does not; losses are "
        "cross-entropies of that choice in nats, by 20 times the cosines",
        measured="triplet accuracy, loss",
        calibrates=False,
    ),
)
RETRIEVAL = Measure(
    name="retrieval",
    statistics=_retrieval_statistics,
    answers=None,
    combine=_mean_retrieval,
    one_of_n=False,
    named=False,
    words=Words(
        accuracy="retrieval accuracy",
        metric="cosine_accuracy@1",
        scale="retrieval accuracy is the share of texts whose own second text is the one of "
        "largest cosine among those of all rows, or of 1,000; losses are cross-entropies of that "
        "choice in nats, by 20 times the cosines",
        measured="retrieval accuracy, mean reciprocal rank, loss",
        calibrates=False,
    ),
)

TASK = register(
    Task(
        name="feature-extraction",
        summary="models that embed texts, of sentence-transformers and bare ones",
        pipeline_tag="feature-extraction",
        auto_class="AutoModel",
        auto_processor="AutoTokenizer",
        accepts=accepts,
        label_axes={},
        companion_files=(*TOKENIZER_FILES, *FILES),
        probe=probe,
        inputs=("text", "pair", "negative"),
        columns="two texts, and a number that says how alike they are; or texts that belong "
        "together, with or without one that does not",
        read=read,
        measures=(SIMILARITY, TRIPLETS, RETRIEVAL),
        by_columns=True,
        example=Example(
            processor="tokenizer",
            use=(
                'inputs = tokenizer("A text.", return_tensors="pt")',
                "print(model(**inputs).last_hidden_state.mean(1).shape)  # the mean over tokens",
            ),
            in_library=Example(
                processor="tokenizer",
                use=(
                    'inputs = tokenizer("A text.", return_tensors="pt")',
                    "print(model(**inputs).last_hidden_state.shape)  # a state for each token",
                ),
                note="`SentenceTransformer(name)` of sentence-transformers loads it with its own "
                'pooling: `SentenceTransformer(name).encode("A text.")` is the embedding.',
            ),
        ),
    )
)
