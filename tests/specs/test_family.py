"""Reading spec files, and finding the one for a model."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from hubmerge.errors import FamilyError, SpecError
from hubmerge.specs.family import SPECS_VARIABLE, load_families, read_family
from tests.helpers.families import bound, family, line_of

MINIMAL = '[match]\nmodel_type = "toy"\n'


def test_the_shipped_families_are_there():
    assert {"vit", "resnet", "mlp_head"} <= set(load_families().families)


def test_every_shipped_line_can_be_found_again():
    """So that errors quote the line."""
    for shipped in load_families().families.values():
        for scope, part in parts_of(shipped):
            for table in ("fixed", "space", "param", "buffer", "watch"):
                for key in getattr(part, table):
                    where = shipped.where(table, key, scope)
                    line = int(where.removeprefix(f"model_specs/{shipped.name}.toml, line "))
                    assert key in shipped.text.splitlines()[line - 1]


def parts_of(part, scope=()):
    """A family, block or head with all blocks and heads in it, and where they stand."""
    yield scope, part
    for kind in ("block", "head"):
        for number, inside in enumerate(getattr(part, kind, ())):
            yield from parts_of(inside, (*scope, (kind, number)))


LINES = """\
match.model_type = "toy"
space.resid = 4
param."a.weight" = "resid"   # a comment
[[ block ]]
at = "g.{n}"
[[block]]  # the second
at = "h.{n}"
param.'b.weight' = "resid"
[block.buffer]
"b.weight" = "resid"
[watch]
"-> h.0" = "* resid"
"""


@pytest.mark.parametrize(
    ("table", "key", "block", "part"),
    [
        ("space", "resid", None, "space.resid"),
        ("param", "a.weight", None, "a.weight"),
        ("", "at", 1, 'at = "h'),
        ("param", "b.weight", 1, "param.'b.weight'"),
        ("buffer", "b.weight", 1, '"b.weight"'),
        ("watch", "-> h.0", None, "-> h.0"),
    ],
)
def test_lines_are_found_in_every_way_of_writing_them(tmp_path, table, key, block, part):
    scope = () if block is None else (("block", block),)
    found = family(tmp_path, LINES).where(table, key, scope)
    assert found == f"specs/toy.toml, line {line_of(LINES, part)}"


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("match = [", ["specs/toy.toml is not TOML", "docs/spec.md"]),
        ("", ["is no family", "match: Field required"]),
        ("[match]\n", ["is no family", "match: ", "at least 1 item"]),
        (MINIMAL + "[params]\na = 'b'\n", ["params: Extra inputs are not permitted"]),
        (MINIMAL + 'name = "x"\n[block]\n', ["is no family"]),
        (MINIMAL + "[[block]]\n", ["block.0.at: Field required"]),
        (MINIMAL + '[[block]]\nat = "h[0]"\n', ["block.0.at", 'such as "h.{layer}"']),
        (MINIMAL + '[[block]]\nat = "h"\nstart = "x"\n', ["start without flow"]),
        (
            MINIMAL + '[[block]]\nat = "h"\nflow = "x -> y"\njoined_unless = "p"\n',
            ['joined_unless = "p" needs a line "p?"'],
        ),
        (MINIMAL + "[space]\nx = { inside = 'y' }\n", ["inside"]),
        (MINIMAL + "[param]\na = 3\n", ["param.a", "valid string"]),
    ],
)
def test_malformed_files_are_refused_with_field_and_reason(tmp_path, text, quoted):
    with pytest.raises(SpecError) as refused:
        family(tmp_path, text)
    said = str(refused.value)
    assert "specs/toy.toml" in said
    for part in quoted:
        assert part in said


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "toy.toml").write_bytes(b"\xff\xfe[match]")
    with pytest.raises(SpecError, match="is not TOML"):
        read_family(tmp_path / "toy.toml")


def test_folders_named_in_the_environment_are_read_too(tmp_path, monkeypatch):
    family(tmp_path, MINIMAL)
    monkeypatch.setenv(SPECS_VARIABLE, str(tmp_path / "specs"))
    registry = load_families()
    assert registry.for_config(SimpleNamespace(model_type="toy")).name == "toy"
    assert "vit" in registry.families


def test_a_folder_that_is_not_there_is_refused(tmp_path, monkeypatch):
    family(tmp_path, MINIMAL)
    folders = [str(tmp_path / "specs"), str(tmp_path / "spces")]
    monkeypatch.setenv(SPECS_VARIABLE, os.pathsep.join(folders))
    with pytest.raises(SpecError, match="spces") as refused:
        load_families()
    assert SPECS_VARIABLE in str(refused.value)


def test_two_files_of_one_name_are_refused(tmp_path, monkeypatch):
    family(tmp_path, MINIMAL, "vit")
    monkeypatch.setenv(SPECS_VARIABLE, str(tmp_path / "specs"))
    with pytest.raises(SpecError, match=r"two files claim the family 'vit'"):
        load_families()


def test_two_families_for_one_model_are_refused(tmp_path, monkeypatch):
    family(tmp_path, MINIMAL, "one")
    family(tmp_path, MINIMAL, "two")
    monkeypatch.setenv(SPECS_VARIABLE, str(tmp_path / "specs"))
    with pytest.raises(SpecError, match="several families claim model_type 'toy'") as refused:
        load_families().for_config(SimpleNamespace(model_type="toy"))
    assert "specs/one.toml, specs/two.toml" in str(refused.value)


def test_a_file_of_the_users_own_goes_before_one_of_the_package(tmp_path, monkeypatch):
    vit = SimpleNamespace(model_type="vit", architectures=["ViTForImageClassification"])
    text = load_families().named("vit").text
    mine = family(tmp_path, text, "mine")
    monkeypatch.setenv(SPECS_VARIABLE, str(tmp_path / "specs"))
    assert load_families().for_config(vit).path == mine.path
    family(tmp_path, text, "other")
    with pytest.raises(SpecError, match="several families claim") as refused:
        load_families().for_config(vit)
    assert "vit.toml" not in str(refused.value.found)
    assert SPECS_VARIABLE in str(refused.value.hint)


def test_a_model_no_family_describes_is_refused_with_the_ways_out():
    with pytest.raises(FamilyError) as refused:
        load_families().for_config(SimpleNamespace(model_type="abacus"))
    said = str(refused.value)
    for part in (
        "'abacus'",
        "families: ",
        "mlp_head",
        'match="none"',
        SPECS_VARIABLE,
        "docs/spec.md",
    ):
        assert part in said


def test_an_unknown_family_name_is_refused_with_the_names_there_are():
    with pytest.raises(FamilyError, match="'vitt'") as refused:
        load_families().named("vitt")
    assert "vit" in (refused.value.found or "")


BRANCHES = """\
match.model_type = "toy"
[[block]]
at = "h.{n}"
when = { kind = "wide" }
space.mid = {}
param."w" = "mid"
[[block]]
at = "h.{n}"
when = { kind = ["thin", "flat"] }
param."w" = "mid"
fixed.mid = {}
"""


@pytest.mark.parametrize(("kind", "free"), [("wide", {"h.0.mid": 3}), ("thin", {}), ("flat", {})])
def test_a_block_holds_for_the_values_it_names(tmp_path, kind, free):
    assert bound(tmp_path, BRANCHES, {"h.0.w": (3,)}, kind=kind).free_spaces() == free


FLOW = """\
match.model_type = "toy"
fixed.label = {}
[param]
"stem"  = "stem"
"head"  = "label last"
[[block]]
at = "g.{n}"
flow = "x -> y"
start = "stem"
end = "middle"
joined_unless = "project"
param."project?" = "y x"
param."w" = "y x"
[[block]]
at = "h.{n}"
flow = "a -> b"
start = "middle"
end = "last"
param."w" = "b a"
"""


def test_a_flow_joins_where_nothing_projects_and_hands_on_to_the_next(tmp_path):
    shapes = {
        "stem": (4,),
        "g.0.project": (5, 4),
        "g.0.w": (5, 4),
        "g.1.project": (6, 5),
        "g.1.w": (6, 5),
        "h.0.w": (7, 6),
        "head": (2, 7),
    }
    spec = bound(tmp_path, FLOW, shapes)
    assert spec.free_spaces() == {"stem": 4, "g.0.y": 5, "g.1.y": 6, "h.0.b": 7}
    assert str(spec.tensors["h.0.w"]) == "h.0.b g.1.y"
    assert str(spec.tensors["head"]) == "label h.0.b"


def test_a_joined_flow_is_one_space_which_may_be_on_both_axes(tmp_path):
    joined = {"stem": (4,), "g.0.w": (4, 4), "h.0.w": (7, 4), "head": (2, 7)}
    square = bound(tmp_path, FLOW, joined)
    assert square.free_spaces() == {"stem": 4, "h.0.b": 7}
    assert square.square == {"g.0.w": {"stem"}}
    with pytest.raises(SpecError, match="'stem' twice, on axes 0 and 1"):
        bound(tmp_path, FLOW.replace('"y x"', '"y (x 1)"'), joined)
    thin = FLOW.replace('param."w" = "y x"', 'param."w" = "y"')
    shapes = joined | {"g.0.w": (4,), "g.1.w": (4,)}
    assert bound(tmp_path, thin, shapes).free_spaces() == {"stem": 4, "h.0.b": 7}


def test_a_flow_without_a_copy_joins_its_ends(tmp_path):
    text = FLOW.replace('at = "h.{n}"', 'at = "h?"')
    shapes = {"stem": (4,), "g.0.w": (4, 4), "head": (2, 4)}
    spec = bound(tmp_path, text, shapes)
    assert spec.free_spaces() == {"stem": 4}
    assert str(spec.tensors["head"]) == "label stem"
    wide = bound(tmp_path, text, shapes | {"h.w": (7, 4), "head": (2, 7)})
    assert wide.free_spaces() == {"stem": 4, "h.b": 7}
    fixed = text.replace("fixed.label = {}", "fixed = { label = {}, last = {} }")
    assert bound(tmp_path, fixed, shapes).free_spaces() == {}
    assert bound(tmp_path, fixed, shapes | {"h.w": (7, 4), "head": (2, 7)}).free_spaces() == {
        "stem": 4
    }


def test_a_flow_may_list_the_copies_that_do_not_add(tmp_path):
    text = FLOW.replace('joined_unless = "project"', "joined_unless = [0, 2]")
    shapes = {"stem": (4,), **{f"g.{n}.w": (4, 4) for n in range(4)}, "h.0.w": (7, 4)}
    spec = bound(tmp_path, text, shapes | {"head": (2, 7)})
    assert spec.free_spaces() == {"stem": 4, "g.0.y": 4, "g.2.y": 4, "h.0.b": 7}
    lines = [str(spec.tensors[f"g.{n}.w"]) for n in range(4)]
    assert lines == ["g.0.y stem", "g.0.y g.0.y", "g.2.y g.0.y", "g.2.y g.2.y"]


@pytest.mark.parametrize(
    ("old", "new", "quoted"),
    [
        ('flow = "a -> b"', 'flow = "a, b"', 'flow "a, b" does not thread a space'),
        ('flow = "a -> b"', 'flow = "a -> a"', 'flow "a -> a" does not thread a space'),
        ('flow = "a -> b"\nstart = "middle"', 'flow = "a -> b"', "start = None"),
        ('end = "last"', 'end = "stem"', "space 'stem' is declared twice"),
        ('flow = "a -> b"', 'flow = "label -> b"', "space 'label' is declared twice"),
    ],
)
def test_a_bad_flow_is_refused(tmp_path, old, new, quoted):
    text = FLOW.replace(old, new)
    shapes = {"stem": (4,), "g.0.project": (5, 4), "g.0.w": (5, 4), "h.0.w": (7, 5), "head": (2, 7)}
    with pytest.raises(SpecError) as refused:
        bound(tmp_path, text, shapes)
    assert quoted in str(refused.value)
    assert "specs/toy.toml, line " in str(refused.value)
    assert refused.value.hint


def test_a_family_says_how_its_tiny_models_are_built(tmp_path):
    found = family(
        tmp_path,
        MINIMAL
        + '[[test]]\nmodel_class = "AutoModel"\nconfig = { width = 4, depth = 2 }\n'
        + 'free = { resid = 4, "h.{0,1}.{a,b}" = 3 }\n'
        + '[[test]]\nname = "flat"\nconfig.depth = 1\nfree.resid = 4\n',
    )
    first, flat = found.tiny_models["toy"], found.tiny_models["toy-flat"]
    assert first.spaces == {"resid": 4, "h.0.a": 3, "h.0.b": 3, "h.1.a": 3, "h.1.b": 3}
    assert (flat.model_class, flat.config) == ("AutoModel", {"width": 4, "depth": 1})


def test_a_tiny_model_without_its_configuration_is_refused(tmp_path):
    with pytest.raises(SpecError, match="is no family") as refused:
        family(tmp_path, MINIMAL + "[test]\nfree.resid = 4\n")
    assert "model_class and config" in str(refused.value)


HEADS = """
base = "body"
[match]
model_type = "toy"
[space]
x = 4
[param]
"body.in.weight" = "x 3"
[[head]]
classes = ["*ForOne", "Also*"]
fixed.label = 2
[head.param]
"top.weight" = "label x"
[[head]]
classes = "ToyModel"
fixed.x = 4
"""
BODY = {"body.in.weight": (4, 3)}


def test_a_head_adds_its_tables_and_a_bare_model_lacks_the_base(tmp_path):
    shapes = {**BODY, "top.weight": (2, 4)}
    for kind in ("ToyForOne", "AlsoThis"):
        spec = bound(tmp_path, HEADS, shapes, architectures=[kind])
        assert spec.free_spaces() == {"x": 4}
        assert str(spec.tensors["top.weight"]) == "label x"
    bare = bound(tmp_path, HEADS, {"in.weight": (4, 3)}, architectures=["ToyModel"])
    assert bare.free_spaces() == {}
    assert [*bare.tensors] == ["in.weight"]


def test_a_class_without_a_head_is_not_of_the_family(tmp_path):
    read = family(tmp_path, HEADS)
    config = SimpleNamespace(model_type="toy", architectures=["ToyForTwo"])
    assert not read.fits(config)
    with pytest.raises(SpecError) as refused:
        bound(tmp_path, HEADS, BODY, architectures=["ToyForTwo"])
    assert "no heads of specs/toy.toml fit a 'ToyForTwo'" in str(refused.value)
    assert "*ForOne Also*, ToyModel" in str(refused.value)
    twice = HEADS.replace('"ToyModel"', '"Toy*"')
    with pytest.raises(SpecError, match=r"2 heads of specs/toy\.toml fit a 'ToyForOne'"):
        bound(tmp_path, twice, BODY, architectures=["ToyForOne"])


@pytest.mark.parametrize(
    ("shapes", "kind", "quoted"),
    [
        ({**BODY, "top.weight": (2, 5)}, "ToyForOne", '"top.weight"'),
        ({"in.weight": (5, 3)}, "ToyModel", '"body.in.weight"'),
    ],
)
def test_errors_in_a_head_or_below_the_base_quote_the_line(tmp_path, shapes, kind, quoted):
    with pytest.raises(SpecError) as refused:
        bound(tmp_path, HEADS, shapes, architectures=[kind])
    assert refused.value.source == f"specs/toy.toml, line {line_of(HEADS, quoted)}"


STAGED = """
[match]
model_type = "toy"
[fixed]
colour = 3
[[block]]
at = "stages.{s}"
flow = "x -> y"
start = "colour"
end = "last"
[block.param]
"down.weight" = "y x"
[[block.block]]
at = "layers.{n}?"
space.ff = {}
[block.block.param]
"up.weight" = "ff y"
"down.weight" = "y ff"
"""
STAGES = {
    "stages.0.down.weight": (4, 3),
    "stages.0.layers.0.up.weight": (7, 4),
    "stages.0.layers.0.down.weight": (4, 7),
    "stages.0.layers.1.up.weight": (5, 4),
    "stages.0.layers.1.down.weight": (4, 5),
    "stages.1.down.weight": (6, 4),
}


def test_blocks_in_blocks_know_the_names_of_their_copy(tmp_path):
    spec = bound(tmp_path, STAGED, STAGES)
    assert spec.free_spaces() == {
        "stages.0.y": 4,
        "stages.0.layers.0.ff": 7,
        "stages.0.layers.1.ff": 5,
        "stages.1.y": 6,
    }
    assert str(spec.tensors["stages.0.layers.1.up.weight"]) == "stages.0.layers.1.ff stages.0.y"


def test_errors_in_a_block_in_a_block_quote_its_line(tmp_path):
    with pytest.raises(SpecError) as refused:
        bound(tmp_path, STAGED, {**STAGES, "stages.0.layers.1.down.weight": (5, 5)})
    assert refused.value.source == f"specs/toy.toml, line {line_of(STAGED, 'y ff')}"
    needed = STAGED.replace("{n}?", "{n}")
    with pytest.raises(SpecError, match="matches nothing") as refused:
        bound(tmp_path, needed, STAGES)
    assert refused.value.source == f"specs/toy.toml, line {line_of(needed, 'layers.')}"
    assert "with ? at its end" in refused.value.hint


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ("width", 6),
        ("width / heads", 2),
        ("width * heads / 9", 2),
        ("part.share * width", 3),
        ("absent?", 4),
        ("null?", 4),
        ("width / absent?", 4),
    ],
)
def test_sizes_are_computed_or_left_to_the_tensors(tmp_path, size, found):
    text = MINIMAL + f'[space]\nx = "{size}"\n[param]\na = "x"\n'
    fields = {"width": 6, "heads": 3, "part": {"share": 0.5}, "null": None}
    assert bound(tmp_path, text, {"a": (found,)}, **fields).sizes == {"x": found}


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ("absent", "absent = None"),
        ("heads / width", "heads = 3, width = 6: 0.5"),
        ("name", "name = 'toy'"),
        ("width / zero", "zero = 0"),
    ],
)
def test_sizes_that_are_none_are_refused_with_what_was_found(tmp_path, size, found):
    text = MINIMAL + f'[space]\nx = "{size}"\n[param]\na = "x"\n'
    with pytest.raises(SpecError) as refused:
        bound(tmp_path, text, {"a": (4,)}, width=6, heads=3, name="toy", zero=0)
    assert found in refused.value.found
    assert refused.value.source == f"specs/toy.toml, line {line_of(text, 'x =')}"


NORMED = """
gain_offset = 1.0
[match]
model_type = "toy"
"rope.share" = 1.0
[fixed]
vocab = 5
[space]
x = { size = 4, may = "rotate" }
[param]
"in.weight" = "vocab x"
"norm.weight" = "x"
"post.weight" = "x"
"out.weight" = "vocab x"
[rmsnorm]
"norm" = "out"
"post" = ""
"""
NORMS = {"in.weight": (5, 4), "norm.weight": (4,), "post.weight": (4,), "out.weight": (5, 4)}


def test_a_norm_that_is_added_to_a_space_leaves_it_order_and_signs(tmp_path):
    spec = bound(tmp_path, NORMED, NORMS)
    assert spec.spaces["x"].may == "flip"
    assert {norm.offset for norm in spec.norms} == {1.0}
    read = bound(tmp_path, NORMED.replace('"post" = ""', '"post" = "out"'), NORMS)
    assert read.spaces["x"].may == "rotate"


def test_a_norm_that_some_models_lack(tmp_path):
    text = NORMED.replace('"post" = ""', '"post?" = ""').replace('"post.weight"', '"post.weight?"')
    without = {name: shape for name, shape in NORMS.items() if name != "post.weight"}
    assert bound(tmp_path, text, without).spaces["x"].may == "rotate"
    assert bound(tmp_path, text, NORMS).spaces["x"].may == "flip"


def test_a_match_looks_into_nested_fields(tmp_path):
    read = family(tmp_path, NORMED)
    assert read.fits(SimpleNamespace(model_type="toy", rope={"share": 1.0}))
    assert not read.fits(SimpleNamespace(model_type="toy", rope={"share": 0.5}))
    text = NORMED.replace('"rope.share"', '"rope.share?"')
    read = family(tmp_path, text)
    assert read.fits(SimpleNamespace(model_type="toy"))
    assert not read.fits(SimpleNamespace(model_type="toy", rope={"share": 0.5}))


def test_a_flow_may_end_in_a_fixed_space(tmp_path):
    """As where a model answers with the last stage's stream."""
    text = STAGED.replace("colour = 3", "colour = 3\nlast = 6")
    spec = bound(tmp_path, text, STAGES)
    assert "stages.1.y" not in spec.spaces
    assert str(spec.tensors["stages.1.down.weight"]) == "last stages.0.y"
    assert "last" not in spec.free_spaces()


GATED = """
[match]
model_type = "toy"
[fixed]
x = 3
[space]
ff = { may = "scale", through = "act" }
[param]
"up.weight?" = "ff x"
"gate.weight?" = "ff x"
"kept.weight?" = "rare x"
"down.weight" = "x ff'"
[gate]
"gate?" = "up"
"""


def test_what_a_gate_multiplies_goes_through_no_function(tmp_path):
    shapes = {"up.weight": (4, 3), "down.weight": (3, 4)}
    assert bound(tmp_path, GATED, shapes, act="gelu").spaces["ff"].may == "permute"
    gated = bound(tmp_path, GATED, {**shapes, "gate.weight": (4, 3)}, act="gelu")
    assert gated.spaces["ff"].may == "scale"
    assert [gate.module for gate in gated.gates] == ["gate"]


def test_a_space_that_only_absent_lines_name_is_left_out(tmp_path):
    shapes = {"up.weight": (4, 3), "down.weight": (3, 4)}
    spec = bound(tmp_path, GATED.replace("x = 3", "x = 3\nrare = {}"), shapes, act="relu")
    assert "rare" not in spec.spaces


def test_readers_in_another_stack_are_named_at_once(tmp_path):
    text = NORMED.replace('"post" = ""', '"post" = "layers.{n}.k absent?"')
    text = text.replace(
        '"out.weight" =', '"layers.0.k.weight" = "2 x"\n"layers.1.k.weight" = "2 x"\n"out.weight" ='
    )
    shapes = {**NORMS, "layers.0.k.weight": (2, 4), "layers.1.k.weight": (2, 4)}
    norm = bound(tmp_path, text, shapes).norms[1]
    assert norm.readers == ("layers.0.k", "layers.1.k")


def test_a_stacked_tensor_reads_a_norm_and_hides_its_units(tmp_path):
    text = NORMED.replace(
        "[param]", 'e = { size = 2 }\nff = { within = "e", seen = false }\n[param]'
    )
    text = text.replace('"out.weight" =', 'stack = "e ff x"\n"out.weight" =')
    text = text.replace('"norm" = "out"', '"norm" = "out stack"').replace('"post" = ""', "")
    spec = bound(tmp_path, text, {**NORMS, "stack": (2, 3, 4)})
    assert spec.norms[0].readers == ("out", "stack")
    assert spec.spaces["x"].may == "rotate"
    assert spec.free_spaces().keys() - spec.observed.free_spaces() == {"ff"}
