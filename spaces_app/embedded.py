"""The app with an embedded Hub that holds pairs of small models and their data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hubmerge.demo.run import DATASET, NAMESPACE, DemoContext, parent, prepare, push
from hubmerge.demo.stories import write_language_model, write_stories
from hubmerge.demo.train import PARENT_CONFIGS, SEEDS, ParentConfig
from hubmerge.localhub import EmbeddedHub, embedded_hub
from spaces_app.host import Example, Host

FAMILIES = ("vit", "mlp", "resnet")
TITLES = {
    "vit": "two vision transformers",
    "resnet": "two ResNets",
    "mlp": "two multilayer perceptrons",
}
STORIES = f"{NAMESPACE}/stories"
LANGUAGE_MODELS = tuple(f"{STORIES}-llama-{letter}" for letter in SEEDS)
LANGUAGE_EXAMPLE = Example("two language models", LANGUAGE_MODELS, STORIES)


@contextmanager
def with_embedded_hub(
    root: Path, configs: Sequence[ParentConfig] | None = None, *, examples_at_start: bool = True
) -> Iterator[Host]:
    """A Hub in `root`, filled once; inside the block it is the Hub of this process.

    examples_at_start: whether the pairs are merged when the app starts.
    """
    known = {config.name: config for config in PARENT_CONFIGS}
    wanted = configs or [known[name] for name in FAMILIES]
    with embedded_hub(root / "hub") as hub:
        context = DemoContext(root, hub)
        if not _is_filled(hub, wanted):
            prepare(context, wanted)
        if not _all_there(hub, STORIES, LANGUAGE_MODELS):
            _prepare_language_models(context)
        before = dict(os.environ)
        os.environ |= _settings(context)
        try:
            yield Host(
                root=root / "app",
                examples=_examples(wanted),
                examples_at_start=examples_at_start,
                local_token=lambda: hub.token,
                verifies=True,
            )
        finally:
            os.environ.clear()
            os.environ |= before


def example(config: ParentConfig) -> Example:
    """The example of a pair of parents."""
    models = tuple(parent(config, letter) for letter in SEEDS)
    return Example(TITLES.get(config.name, config.name), models, DATASET)


def _examples(configs: Sequence[ParentConfig]) -> tuple[Example, ...]:
    """In the order of the page."""
    first, *others = map(example, configs)
    return (first, LANGUAGE_EXAMPLE, *others)


def _settings(context: DemoContext) -> dict[str, str]:
    given = context.environment()
    names = [
        name for name in given if name.startswith(("HF_", "DISABLE_")) or "proxy" in name.lower()
    ]
    return {name: given[name] for name in names if name != "HF_TOKEN"}


def _is_filled(hub: EmbeddedHub, configs: Sequence[ParentConfig]) -> bool:
    return _all_there(
        hub, DATASET, [parent(config, letter) for config in configs for letter in SEEDS]
    )


def _all_there(hub: EmbeddedHub, dataset: str, models: Sequence[str]) -> bool:
    api = hub.api()
    return api.repo_exists(dataset, repo_type="dataset") and all(map(api.repo_exists, models))


def _prepare_language_models(context: DemoContext) -> None:
    """Make the missing stories and the models that tell them, and push them."""
    if not context.folder(STORIES).exists():
        write_stories(context.folder(STORIES))
    push(context, STORIES, "dataset")
    for repo, seed in zip(LANGUAGE_MODELS, SEEDS.values(), strict=True):
        if not context.folder(repo).exists():
            write_language_model(context.folder(repo), seed, repo=repo, dataset=STORIES)
        push(context, repo, "model")
