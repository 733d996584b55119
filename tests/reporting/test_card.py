"""The card: metadata the Hub's own reader understands, and text that stays text."""

import html
import re
import shlex

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import ValidationError

from hubmerge.evaluation.results import Estimate
from hubmerge.reporting.card import card_data, render_card
from hubmerge.reporting.escape import markdown, one_line, python_string, shell_word
from hubmerge.reporting.schema.method import SpaceRecord
from hubmerge.reporting.schema.report import Licence
from hubmerge.reporting.write import write_report
from tests.helpers.example_report import (
    data,
    example,
    of_other_labels,
    of_three,
    parent,
    unmeasured,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a | b | c",
    "`code` ``` fence",
    "```\n# not a heading\n",
    "one\n\ntwo\n---\nthree",
    "---\nlicense: mit\n---",
    "key: [value, {a: &b !!python/object:os.system 'x'}]",
    "![picture](javascript:alert(1)) [link](http://example.com)",
    "http://example.com",
    "# heading",
    "- list",
    "1. list",
    "***",
    "&lt;b&gt; &#60;",
    "{{ 7 * 7 }} {% raw %}",
    "$x$ \\(y\\)",
    "\x1b[31mred\x07",
    "right-to-left \u202emark",
    "\"quoted\" 'too'",
    "</details></summary><h1>",
    "~~~",
)


def rendered(text):
    """HTML of a card's body as GitHub's flavour with raw HTML allowed: the hostile reading."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .enable("strikethrough")
        .render(body)
    )


def tags(html):
    return re.findall(r"<(/?\w+)", html)


def hostile(text):
    """A report with `text` in every place that is not ours."""
    report = example()
    space = SpaceRecord(space=text, kind=text, size=4, gain=1.0, correlation=None, moved=2)
    return example(
        models=[
            parent(text, "a", revision=text, license=text),
            parent(text, "b", revision=text, license=[text], sha=text),
        ],
        verdict_sentence=text,
        method=report.method.model_copy(
            update={"spaces": [space], "unrepaired": text, "family": text, "outcome": text}
        ),
        merged=report.merged.model_copy(update={"model_type": text, "labels": [text]}),
        data=data(id=text, config=text, columns={text: text}, notes=[text], unit=text),
        limits=[text, text],
        licence=Licence(
            license=text,
            license_name=text,
            license_link=text,
            private_by_default=True,
            public_needs_override=True,
            reason=text,
        ),
        weights_sha256={text: text},
        run=report.run.model_copy(update={"versions": {text: text}, "seconds": {text: 1.0}}),
    )


def test_metadata_comes_back_through_the_hubs_own_reader(tmp_path):
    write_report(example(), tmp_path, "org/both")
    found = ModelCard.load(tmp_path / "README.md").data
    assert found.base_model == ["org/left", "org/right"]
    assert found["base_model_relation"] == "merge"
    assert {"merge", "hubmerge"} <= set(found.tags)
    assert found.library_name == "transformers"
    assert found.pipeline_tag == "image-classification"
    assert found.datasets == ["org/pictures"]
    assert found.license == "apache-2.0"
    index = metadata_load(tmp_path / "README.md")["model-index"]
    name, results = model_index_to_eval_results(index)
    assert name == "org/both"
    assert {result.metric_type: result.metric_value for result in results} == {
        "accuracy": 0.893,
        "loss": 0.57,
        "loss_barrier": 0.05,
    }
    for result in results:
        assert (result.dataset_type, result.dataset_split) == ("org/pictures", "test")
        assert result.dataset_revision == "d" * 40
        assert result.dataset_args == {"rows": 1000}


@pytest.mark.parametrize(
    ("score", "kind", "name"),
    [
        ("entity F1", "f1", "Entity F1"),
        ("Spearman correlation", "spearmanr", "Spearman correlation"),
        ("mean reciprocal rank", "mean_reciprocal_rank", "Mean reciprocal rank"),
    ],
)
def test_further_scores_have_the_hubs_words(score, kind, name):
    plain = example().contenders
    merge = plain.merge.model_copy(update={"scores": {score: Estimate(value=0.5)}})
    found = card_data(example(contenders=plain.model_copy(update={"merge": merge})))
    said = [(each.metric_type, each.metric_name, each.metric_value) for each in found.eval_results]
    assert (kind, name, 0.5) in said


def test_all_labels_are_asked_for_where_several_may_be_right():
    merged = example().merged.model_copy(
        update={
            "task": "text-classification",
            "pipeline_tag": "text-classification",
            "measure": "label sets",
        }
    )
    card = html.unescape(render_card(example(merged=merged)))
    assert '("A text.", top_k=None))' in card.replace("top&#95;k", "top_k")


def test_what_is_not_on_the_hub_is_not_said_to_be():
    models = [parent("left", "a", kind="local"), parent("org/right", "b")]
    found = ModelCard(render_card(example(models=models, data=data(kind="local")))).data
    assert found.base_model == ["org/right"]
    assert found.datasets is None
    none = [parent("left", "a", kind="local"), parent("right", "b", kind="local")]
    found = ModelCard(render_card(example(models=none))).data
    assert found.base_model is None
    assert "base_model_relation" not in found


def test_licences_are_listed_or_named():
    two = Licence(
        license=["apache-2.0", "mit"],
        private_by_default=False,
        public_needs_override=False,
        reason="permissive side by side",
    )
    assert ModelCard(render_card(example(licence=two))).data.license == ["apache-2.0", "mit"]
    other = Licence(
        license="other",
        license_name="gemma",
        license_link="https://example.com/terms",
        private_by_default=True,
        public_needs_override=True,
        reason="not determined",
    )
    found = ModelCard(render_card(example(licence=other))).data
    assert (found.license, found.license_name) == ("other", "gemma")
    assert found.license_link == "https://example.com/terms"
    script = other.model_copy(update={"license_link": "javascript:alert(1)"})
    assert "javascript" not in render_card(example(licence=script))


def test_verdict_plot_and_table_come_first_and_in_that_order():
    card = render_card(example())
    marks = ["**As good as both parents: ", "(barrier.png)", "| **This merge** |", "## "]
    assert sorted(map(card.index, marks)) == [card.index(mark) for mark in marks]
    assert "a" * 40 in card
    assert "b" * 40 in card
    assert "hubmerge merge --recipe hubmerge.yaml -o out" in card
    assert "hubmerge verify " in card


def test_a_merge_not_to_be_used_is_not_offered_for_use():
    good, bad = render_card(example()), render_card(example(verdict="do not use"))
    assert good.index("In one line: ") < good.index("| **This merge** |") < good.index("## Use it")
    assert "In one line: " not in bad
    assert "## Use it" not in bad
    assert bad.index("**As good") < bad.index("<summary>Everything") < bad.index("```python")
    assert good.count("```python") == bad.count("```python") == 1


def test_hashes_rows_and_versions_are_in_one_fold_at_the_end():
    before, after = render_card(example()).split("<details>\n<summary>Everything", 1)
    for detail in ("a" * 40, "c" * 64, "1" * 16, "stages.0.x", "torch 0.0.0"):
        assert detail in after
        assert detail not in before
    assert after.endswith("</details>\n")


def test_without_data_the_card_says_what_was_not_measured():
    card = render_card(unmeasured())
    assert "Nothing was measured" in card
    for unknown in ("accuracy", "loss", "barrier"):
        assert unknown in card[card.index("Nothing was measured") :].split("\n")[0]
    assert "barrier.png" not in card
    assert "0.000 |" not in card.split("## How it was made")[0]
    assert ModelCard(card).data.eval_results is None


def test_the_code_names_the_place_and_the_mlp_head_is_imported_first():
    card = render_card(example(), "org/both")
    assert 'name = "org/both"' in card
    assert "import hubmerge" not in card
    heads = {"task": "feature-classification", "model_type": "mlp_head", "auto_processor": None}
    merged = example().merged.model_copy(update=heads)
    code = render_card(example(merged=merged)).split("```python\n")[1].split("```")[0]
    assert code.index("import hubmerge") < code.index("from transformers")
    assert "rocessor" not in code
    compile(code, "card", "exec")


def test_long_tables_of_spaces_are_folded():
    def card(length):
        space = example().method.spaces[0]
        method = example().method.model_copy(update={"spaces": [space] * length})
        return render_card(example(method=method))

    assert card(9).count("<details>") == card(8).count("<details>") + 1


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_everywhere(text):
    harmless, card = render_card(hostile("harmless")), render_card(hostile(text), text)
    assert tags(rendered(card)) == tags(rendered(harmless))
    meta, plain = ModelCard(card).data.to_dict(), ModelCard(harmless).data.to_dict()
    assert set(meta) | {"license_link"} == set(plain) | {"license_link"}
    assert meta["base_model"] == [one_line(text)] * 2
    assert meta["license_name"] == one_line(text)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", card)


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(one_line))
def test_escaped_markdown_shows_exactly_the_text(text):
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable(["table", "strikethrough"])
        .render(markdown(text))
    )
    assert tags(html) == ["p", "/p"]
    shown = MarkdownIt("commonmark").parseInline(str(markdown(text)))[0].children
    assert "".join(part.content for part in shown) == one_line(text)


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_python_string_is_the_text_and_nothing_else(text):
    literal = python_string(text)
    assert eval(literal, {"__builtins__": {}}) == one_line(text)
    assert not set(literal) & set("<>&`\n")


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(one_line))
def test_a_word_of_a_command_is_one_word(text):
    word = shell_word(text)
    assert shlex.split(word) == [one_line(text).replace("`", "")]


def test_cards_are_the_same_every_time():
    assert render_card(example(), "org/both") == render_card(example(), "org/both")


def test_a_card_of_three_names_all_of_them_and_says_what_the_curve_is():
    report = of_three()
    text = render_card(report)
    body = text.partition("\n# ")[2]
    assert body.startswith("Merge of org/alpha, org/beta and org/chi")
    assert metadata_of(text)["base_model"] == ["org/alpha", "org/beta", "org/chi"]
    for said in (
        "| Parent C | 0.885 |",
        "Ensemble of all parents",
        "from parent A to this mixture of all parents",
        "the same mixture of the figures of the untouched parents",
        "activations, cycle-consistent",
        "weights 0.5, 0.3, 0.2",
        "| parent C | <code>stages",
        "**better than all parents**",
    ):
        assert said in text, said
    assert "both parents" not in text
    hostile = of_three(models=[parent(name, "a") for name in ("a", "b", HOSTILE[0])])
    assert "<script" not in rendered(render_card(hostile))


def metadata_of(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_a_card_names_the_labels_that_all_contenders_were_measured_on():
    card = render_card(of_other_labels())
    assert "of 5 labels, the parents know 3, 4; 2 are shared" in card
    assert "3 labels, 700 rows" in card
    assert "4 labels, 300 rows" in card
    assert "| parent B | 0.890 | – | 0.950 |" in card
    assert "| this merge | 0.893 | 0.940 | 0.940 |" in card
    assert "their probabilities are added" in card
    assert "Of the 5 labels, the parents know 3 and 4." in card
    assert "that some parent knows" not in render_card(example())


def test_a_card_of_a_language_model_says_how_it_becomes_gguf():
    report = unmeasured()
    causal = report.merged.model_copy(update={"auto_class": "AutoModelForCausalLM"})
    said = "$ python llama.cpp/convert_hf_to_gguf.py . --outfile merge.gguf"
    assert said in render_card(report.model_copy(update={"merged": causal}))
    assert said not in render_card(report)


def test_papers_of_the_parents_are_linked_once():
    """The Hub lists a model under the papers that its card links to."""
    papers = ["2302.00487", "2209.04836"]
    models = [parent("org/left", "a", papers=papers), parent("org/right", "b", papers=papers[:1])]
    card = render_card(example(models=models))
    assert card.count("https://arxiv.org/abs/2302.00487") == 1
    assert card.count("https://arxiv.org/abs/2209.04836") == 1
    assert "arxiv.org" not in render_card(example())


def test_collections_of_the_parents_are_linked_once():
    ours, theirs = ("org/small-models-64f9a55bb3115b4f513ec026", "x/y-64f9a55bb3115b4f513ec027")
    models = [
        parent("org/left", "a", collections=[ours, theirs]),
        parent("org/right", "b", collections=[ours]),
    ]
    card = render_card(example(models=models))
    assert card.count(f"[small models, by org](https://huggingface.co/collections/{ours})") == 1
    assert f"[y, by x](https://huggingface.co/collections/{theirs})" in card
    assert "collections" not in render_card(example())
    for wrong in ("org/no-number", "org/x](http://y)-64f9a55bb3115b4f513ec026"):
        with pytest.raises(ValidationError):
            parent("org/left", "a", collections=[wrong])
