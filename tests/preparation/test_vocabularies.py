"""Models of different vocabularies merge token by token."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import hubmerge as hm
from hubmerge.errors import MismatchError, RecipeError
from hubmerge.hub.destination import Destination
from hubmerge.pipeline.plan import plan
from hubmerge.pipeline.run import run
from hubmerge.recipe import make_recipe, read_recipe
from hubmerge.verification.verify import verify
from tests.helpers.mergekit_vocabularies import YAMLS, place, read, rows_in
from tests.helpers.texts import WORDS, gpt2, llama, saved, tokenizer

COUNT = len(WORDS)


def permuted(model, order):
    """The model with other numbers for the words: number n is the word that was order[n]."""
    for table in {model.get_input_embeddings().weight, model.get_output_embeddings().weight}:
        table.data = table.data[order].clone()
    model.config.bos_token_id = model.config.eos_token_id = order.index(0)
    model.generation_config.bos_token_id = model.generation_config.eos_token_id = order.index(0)
    return model


def built(build, seed):
    torch.manual_seed(seed)
    return build()


def merged(out, *models, **fields):
    recipe = make_recipe(models=tuple(map(str, models)), match="none", repair="none", **fields)
    return run(recipe, Destination(out=out))


def files(folder):
    kept = ("model.safetensors", "config.json", "generation_config.json", "tokenizer.json")
    return {name: (folder / name).read_bytes() for name in kept if (folder / name).is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabularies") / "here"
    place(folder)
    return folder


@pytest.mark.parametrize("build", [gpt2, llama], ids=["tied", "untied"])
@pytest.mark.parametrize("whose", ["A", "union"])
def test_permuted_vocabularies_merge_as_if_they_were_not(build, whose, tmp_path):
    a = saved(built(build, 0), tmp_path / "a")
    b = saved(built(build, 1), tmp_path / "b")
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0)).tolist()
    words = [WORDS[n] for n in order]
    other = saved(permuted(built(build, 1), order), tmp_path / "other", words)
    plain = merged(tmp_path / "plain", a, b)
    aligned = merged(tmp_path / "aligned", a, other, tokenizer=whose)
    assert files(aligned.folder) == files(plain.folder)
    assert plain.report.merged.vocabulary is None
    used = aligned.report.merged.vocabulary
    assert (used.owner, used.tokens, used.rows) == ("parent A", COUNT, COUNT)
    assert [(each.lacking, each.dropped) for each in used.models] == [(0, 0), (0, 0)]
    assert not list(tmp_path.glob(".*"))


def test_models_of_different_vocabularies_are_refused_unless_one_is_asked_for(folder, tmp_path):
    with pytest.raises(MismatchError) as error:
        merged(tmp_path / "out", folder / "a", folder / "c")
    assert "tokenizer" in str(error.value)


def test_a_merge_of_one_model_alone_computes_what_it_computed_on_its_own_tokens(folder, tmp_path):
    """Of the union, parent B weighing everything: B's logits for B's tokens."""
    made = merged(tmp_path / "out", folder / "a", folder / "b", tokenizer="union", lam=1.0)
    b, both = (AutoModelForCausalLM.from_pretrained(x) for x in (folder / "b", made.folder))
    theirs, ours = (AutoTokenizer.from_pretrained(x) for x in (folder / "b", made.folder))
    text = "sun <b> moon <both> sea"
    inputs = [tokens(text, return_tensors="pt")["input_ids"] for tokens in (theirs, ours)]
    assert ours.convert_ids_to_tokens(inputs[1][0]) == theirs.convert_ids_to_tokens(inputs[0][0])
    tokens = theirs.get_vocab()
    with torch.no_grad():
        before = b(inputs[0]).logits[..., list(tokens.values())]
        after = both(inputs[1]).logits[..., [ours.get_vocab()[token] for token in tokens]]
    torch.testing.assert_close(after, before)
    assert both.config.vocab_size == len(both.lm_head.weight) == 10


def test_what_parents_lack_is_counted_and_said(folder, tmp_path):
    made = merged(tmp_path / "out", folder / "a", folder / "b", tokenizer="union")
    used = made.report.merged.vocabulary
    assert (used.tokens, used.rows) == (10, 10)
    assert [(x.model, x.tokens, x.lacking, x.dropped) for x in used.models] == [
        ("parent_a", 7, 3, 0),
        ("parent_b", 9, 1, 0),
    ]
    card = (made.folder / "README.md").read_text()
    assert (
        "| vocabulary | every token of any parent, numbers and special tokens of parent A" in card
    )
    assert "parent B has 9, and for 1 the others' rows" in card
    kept = merged(tmp_path / "kept", folder / "a", folder / "b", tokenizer="A")
    assert [x.dropped for x in kept.report.merged.vocabulary.models] == [0, 3]
    assert AutoTokenizer.from_pretrained(kept.folder).get_vocab().keys() == (
        AutoTokenizer.from_pretrained(folder / "a").get_vocab().keys()
    )


def test_such_a_merge_is_verified(folder, tmp_path):
    made = merged(
        tmp_path / "out",
        *(folder / name for name in "bc"),
        tokenizer="union",
        base=str(folder / "base"),
        fuse="task-arithmetic",
    )
    for level in ("measure", "remake"):  # by the parents' own files, and by making it again
        found = verify(str(made.folder), level=level)
        assert not [each for each in found.checks if each.outcome.name != "IDENTICAL"]


def test_a_plan_needs_no_weights(folder, tmp_path, monkeypatch):
    def refuse(*given):
        raise AssertionError("weights were read")

    monkeypatch.setattr("hubmerge.streaming.Checkpoint.__init__", refuse)
    models = (str(folder / "a"), str(folder / "b"))
    found = plan(make_recipe(models=models, tokenizer="union"), Destination(out=tmp_path / "out"))
    assert [each.parameters for each in found.models] == [found.models[0].parameters] * 2


@pytest.mark.parametrize("name", YAMLS)
def test_rows_are_mergekits(name, folder):
    file = folder / f"{name}.yml"
    file.write_text(YAMLS[name])
    made = hm.run(read_recipe(file), out=folder / f"of-{name}")
    found, wanted = rows_in(made.folder), read()[name]
    assert found.keys() == wanted.keys()
    for row, value in wanted.items():
        torch.testing.assert_close(found[row], value, rtol=1e-5, atol=1e-6, msg=row)


def bpe(folder: Path, letters: str, merges: list[str]) -> PreTrainedTokenizerFast:
    pairs = [tuple(merge.split()) for merge in merges]
    words = ["<unk>", *letters, *("".join(pair) for pair in pairs)]
    vocabulary = {word: number for number, word in enumerate(words)}
    backend = Tokenizer(BPE(vocab=vocabulary, merges=pairs, unk_token="<unk>"))
    made = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    made.add_tokens(["<x>"], special_tokens=True)
    made.save_pretrained(folder)
    return made


def test_words_with_merges_are_found_in_texts(tmp_path):
    """Of two vocabularies of pairs, the second one longer, the union cuts as the second."""
    first = bpe(tmp_path / "a", "abc", ["a b"])
    second = bpe(tmp_path / "b", "abc", ["a b", "ab c", "c c"])
    for name, tokens in (("a", first), ("b", second)):
        model = llama()
        model.resize_token_embeddings(len(tokens))
        model.save_pretrained(tmp_path / name)
    made = merged(tmp_path / "out", tmp_path / "a", tmp_path / "b", tokenizer="union")
    ours = AutoTokenizer.from_pretrained(made.folder)
    assert (
        ours.tokenize("abcccab<x>") == second.tokenize("abcccab<x>") == ["abc", "cc", "ab", "<x>"]
    )
    for token, number in first.get_vocab().items():
        assert ours.get_vocab()[token] == number


def test_the_chat_template_is_the_owners_or_the_one_that_is_named(tmp_path):
    for seed, name in enumerate("abc"):
        saved(built(llama, seed), tmp_path / name)
        if name != "a":
            (tmp_path / name / "chat_template.jinja").write_text(
                f"{{{{ '{'x' if name == 'b' else 'y'}' }}}}"
            )
    parents = [tmp_path / name for name in "abcc"]

    def template(out, **fields):
        made = merged(tmp_path / out, *parents, **fields)
        return (made.folder / "chat_template.jinja").read_text()

    assert template("default", tokenizer="union") == "{{ 'x' }}"
    assert template("named", chat_template="C") == "{{ 'y' }}"
    assert template("most", chat_template="auto") == "{{ 'y' }}"
    assert template("own", chat_template="{{ 'z' }}") == "{{ 'z' }}"
    with pytest.raises(RecipeError, match="parent A has none"):
        template("none", chat_template="A")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tokenizer": "base"}, "base"),
        ({"tokenizer": "C"}, "2 models"),
        ({"tokens": {"sun": {"of": "B"}}}, "tokenizer"),
        ({"tokenizer": "a"}, "tokenizer"),
        ({"tokenizer": "A", "tokens": {"nothing": {"of": "B"}}}, "nothing"),
        ({"tokenizer": "union", "tokens": {"<b>": {"of": "A"}}}, "no row"),
        ({"tokenizer": "union", "tokens": {"sun": {"of": "A", "token_id": 7}}}, "no row"),
    ],
)
def test_what_does_not_fit_is_refused(fields, said, folder, tmp_path):
    with pytest.raises(RecipeError) as error:
        merged(tmp_path / "out", folder / "a", folder / "b", **fields)
    assert said in str(error.value)
    assert not list(tmp_path.iterdir())


def test_shards_that_do_not_change_are_not_copied(tmp_path, monkeypatch):
    for seed, name in enumerate("ab"):
        built(llama, seed).save_pretrained(tmp_path / name, max_shard_size="20KB")
    tokenizer(WORDS).save_pretrained(tmp_path / "a")
    tokenizer(WORDS[::-1]).save_pretrained(tmp_path / "b")
    links = {}

    def look(run, *others):
        for source in run.sources.models:
            found = list(source.folder.glob("*.safetensors"))
            links[source.id] = sorted(path.is_symlink() for path in found)
        return made(run, *others)

    import hubmerge.pipeline.run as pipeline

    made = pipeline._made
    monkeypatch.setattr(pipeline, "_made", look)
    out = merged(tmp_path / "out", tmp_path / "a", tmp_path / "b", tokenizer="A").folder
    assert all(links["a"])
    assert links["b"].count(False) == 2
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert {file.name for file in out.glob("*.safetensors")} == {*index["weight_map"].values()}
    assert load_file(out / index["weight_map"]["lm_head.weight"])
