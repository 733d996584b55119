"""What lies beside the weights: brought along, or said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import MismatchError, WeightsError
from hubmerge.hub.companions import remarks
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.describe import describe
from hubmerge.hub.load import load
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.source import resolve
from hubmerge.hub.tokenizer import load_tokenizer
from hubmerge.pipeline.save import write_model
from tests.helpers import texts

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    return [texts.saved(texts.llama(), tmp_path / name) for name in "ab"]


def edit(path: Path, **changes: Any) -> None:
    fields = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(fields | changes))


def merged(pair: list[Path]) -> tuple[Path, list[str]]:
    """What is written of A beside B, and what is said of it."""
    models: list[LoadedModel] = [load(str(folder)) for folder in pair]
    check_mergeable(*models)
    out = pair[0].parent / "out"
    out.mkdir()
    write_model(out, models, models[0].model.state_dict())
    return out, remarks([describe(resolve(str(folder))) for folder in pair])


def in_a_file(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(TEMPLATE)


def in_the_configuration(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", chat_template=TEMPLATE)


@pytest.mark.parametrize("give", [in_a_file, in_the_configuration])
def test_a_chat_template_that_only_b_has(give: Any, pair: list[Path]) -> None:
    give(pair[1])
    out, said = merged(pair)
    assert load_tokenizer(out, "out").chat_template == TEMPLATE
    assert said == ["The chat template is parent B's: parent A has none."]


def test_another_chat_template_than_a_s_is_said(pair: list[Path]) -> None:
    in_the_configuration(pair[0])
    (pair[1] / "chat_template.jinja").write_text("another")
    out, said = merged(pair)
    assert load_tokenizer(out, "out").chat_template == TEMPLATE
    assert said == ["Parent B has another chat template than the merge, whose is parent A's."]


def test_a_folder_of_chat_templates(pair: list[Path]) -> None:
    in_a_file(pair[1])
    (pair[1] / "additional_chat_templates").mkdir()
    (pair[1] / "additional_chat_templates" / "rag.jinja").write_text("documents")
    out, _ = merged(pair)
    assert load_tokenizer(out, "out").chat_template == {"default": TEMPLATE, "rag": "documents"}


def test_a_generation_configuration_that_only_b_has(pair: list[Path]) -> None:
    (pair[0] / "generation_config.json").unlink()
    edit(pair[1] / "generation_config.json", temperature=0.3)
    out, said = merged(pair)
    assert json.loads((out / "generation_config.json").read_text())["temperature"] == 0.3
    assert said == ["generation_config.json is parent B's: parent A has none."]


def test_a_s_own_generation_configuration_stays_byte_for_byte(pair: list[Path]) -> None:
    own = '{"temperature": 0.3, "do_sample": true, "eos_token_id": [0, 2], "of_a_tool": null}'
    (pair[0] / "generation_config.json").write_text(own)
    out, (said,) = merged(pair)
    assert (out / "generation_config.json").read_text() == own
    assert "do_sample, eos_token_id" in said


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '\ufeff{"eos_token_id": 2}',
        '{"eos_token_id": "x"}',
        '{"pad_token_id": true}',
        '{"cache_implementation": "x"}',
        '{"max_new_tokens": -1}',
    ],
)
def test_what_stock_code_cannot_generate_by_is_refused(
    text: str, which: int, pair: list[Path]
) -> None:
    """It would be taken along, and found by those who load the merge."""
    (pair[0] / "generation_config.json").unlink()
    (pair[which] / "generation_config.json").write_text(text)
    with pytest.raises(WeightsError, match=r"generation_config\.json of .* (cannot|is no)"):
        describe(resolve(str(pair[which])))


@pytest.mark.parametrize(
    "name",
    ["tokenizer.model", "merges.txt", "vocab.txt", "processor_config.json", "SYSTEM_PROMPT.txt"],
)
def test_what_a_merge_of_a_has_but_a_has_not(name: str, pair: list[Path]) -> None:
    (pair[1] / name).write_text("{}")
    out, said = merged(pair)
    assert not (out / name).exists()
    assert said == [f"Files beside the parents that the merge does not have: {name} (B)."]
    (pair[0] / name).write_text("{}")
    shutil.rmtree(out)
    out, said = merged(pair)
    assert (out / name).exists() == (not said) == (name != "SYSTEM_PROMPT.txt")


def test_chat_templates_whose_names_are_none(pair: list[Path]) -> None:
    names = ["default", "../x", "a b"]
    given = [{"name": name, "template": TEMPLATE} for name in names]
    edit(pair[1] / "tokenizer_config.json", chat_template=given)
    out, said = merged(pair)
    assert load_tokenizer(out, "out").chat_template == TEMPLATE
    assert "'../x', 'a b'" in said[0]


def test_another_generation_configuration_than_a_s_is_said(pair: list[Path]) -> None:
    edit(pair[1] / "generation_config.json", temperature=0.3, transformers_version="4.1")
    out, (said,) = merged(pair)
    assert "temperature" not in json.loads((out / "generation_config.json").read_text())
    assert said.endswith("which is parent A's, in temperature.")


def test_files_that_stay_behind_are_said(pair: list[Path]) -> None:
    for folder in pair:
        (folder / "adapters.json").write_text("[]")
    (pair[1] / "extra").mkdir()
    (pair[1] / "extra" / "config.json").write_text("{}")
    for silent in ("README.md", "model.gguf", "training_args.bin", "trainer_state.json", "x.png"):
        (pair[1] / silent).write_text("")
    _, said = merged(pair)
    assert said == [
        "Files beside the parents that the merge does not have: adapters.json (A and B), "
        "extra/config.json (B)."
    ]


def test_fields_of_other_tools_are_listed(pair: list[Path]) -> None:
    edit(
        pair[1] / "config.json", unsloth_version="2025.10.1", axolotl={"lr": 1}, eos_token_id=[0, 2]
    )
    _, said = merged(pair)
    assert said == [
        "Fields of config.json that no output of the model depends on were not compared, and are "
        "parent A's: eos_token_id (0 in A, [0, 2] in B), unsloth_version (absent in A, "
        "'2025.10.1' in B), axolotl.lr (absent in A, 1 in B)."
    ]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("token", [texts.END, "<pad>"])
def test_a_padding_token_that_one_parent_lacks(token: str, which: int, pair: list[Path]) -> None:
    tokenizer = texts.tokenizer()
    tokenizer.add_special_tokens({"pad_token": token})
    tokenizer.save_pretrained(pair[which])
    edit(pair[which] / "config.json", pad_token_id=0)
    _, said = merged(pair)
    owner, without = ("A", "B") if which == 0 else ("B", "A")
    assert said[-1] == (
        f"Parent {owner} has a padding token, {token!r}, and parent {without} has none: the merge "
        "has A's tokenizer."
    )


def test_two_other_padding_tokens_do_not_merge(pair: list[Path]) -> None:
    for number, folder in enumerate(pair):
        edit(folder / "config.json", pad_token_id=number)
    with pytest.raises(MismatchError, match="pad_token_id"):
        merged(pair)


def test_a_word_of_one_parent_that_pads_the_other(pair: list[Path]) -> None:
    """Texts that hold it are cut otherwise."""
    tokenizer = texts.tokenizer()
    tokenizer.add_special_tokens({"pad_token": "cat"})
    tokenizer.save_pretrained(pair[1])
    with pytest.raises(MismatchError, match="tokenizers differ"):
        merged(pair)
