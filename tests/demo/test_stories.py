"""Stories and the language models that tell them."""

from __future__ import annotations

from pathlib import Path

import torch

from hubmerge.demo import stories as demo
from hubmerge.hub.load import load


def test_stories_are_the_same_from_a_seed_and_wholly_known() -> None:
    told = demo.stories(50, 3)
    assert told == demo.stories(50, 3) != demo.stories(50, 4)
    cut = demo.tokenizer()
    unknown = {text for text in told if cut.unk_token_id in cut(text)["input_ids"]}
    assert unknown == set()
    assert max(len(cut(text)["input_ids"]) for text in told) <= demo.TOKENS


def test_a_model_learns_to_tell_them_and_is_written_whole(tmp_path: Path) -> None:
    before, after = (demo.train(1, steps=steps) for steps in (0, 40))
    rows = torch.tensor([demo.tokenizer()(text)["input_ids"][:20] for text in demo.stories(20, 9)])
    with torch.inference_mode():
        losses = [float(model(input_ids=rows, labels=rows).loss) for model in (before, after)]
    assert losses[1] < losses[0] - 1
    place = demo.write_stories(tmp_path / "data")
    assert {"README.md", "test.parquet"} <= {path.name for path in place.iterdir()}
    folder = demo.write_language_model(
        tmp_path / "a", 1, repo="demo/stories-llama-a", dataset="demo/stories", steps=1
    )
    loaded = load(str(folder))
    assert loaded.task is not None
    assert loaded.task.name == "text-generation"
