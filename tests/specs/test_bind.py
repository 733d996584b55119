"""Binding: what a spec finds in a model, and how it refuses what does not fit."""

from __future__ import annotations

import pytest

from hubmerge.errors import SpecError
from tests.helpers.families import bound, line_of

TOY = """\
[match]
model_type = "toy"

[fixed]
token = {}
label = "num_labels"

[space]
resid = "width"

[param]
"embed.weight" = "token resid"
"out.weight"   = "label resid"
"out.bias?"    = "label"

[buffer]
"out.count" = ""

[watch]
"-> out" = "* * resid"

[[block]]
at = "h.{layer}"
space.head = "heads"
space.vo   = { within = "head" }
space.ff   = {}

[block.param]
"v.weight"    = "(head vo) resid"
"o.weight"    = "resid (head vo)"
"up.weight"   = "(ff + ff) resid"
"down.weight" = "resid ff"
"down.bias?"  = "resid"

[block.watch]
"-> down" = "* * ff"
"""

SHAPES: dict[str, tuple[int, ...]] = {
    "embed.weight": (11, 8),
    "out.weight": (3, 8),
    "out.count": (),
}
for _layer in range(2):
    SHAPES |= {
        f"h.{_layer}.v.weight": (6, 8),
        f"h.{_layer}.o.weight": (8, 6),
        f"h.{_layer}.up.weight": (20, 8),
        f"h.{_layer}.down.weight": (8, 10),
    }
CONFIG = {"width": 8, "heads": 2, "num_labels": 3}


def test_it_binds(tmp_path):
    spec = bound(tmp_path, TOY, SHAPES, **CONFIG)
    assert spec.sizes["token"] == 11
    assert spec.free_spaces() == {
        "resid": 8,
        **{f"h.{k}.{n}": s for k in (0, 1) for n, s in (("head", 2), ("vo", 3), ("ff", 10))},
    }
    assert spec.buffers == {"out.count"}
    assert [str(watch) for watch in spec.watches] == ["-> h.0.down", "-> h.1.down", "-> out"]
    assert spec.touched_by["h.1.vo"] == ("h.1.v.weight", "h.1.o.weight")
    assert [group.members for group in spec.groups] == [
        ("resid",),
        ("h.0.head", "h.0.vo"),
        ("h.0.ff",),
        ("h.1.head", "h.1.vo"),
        ("h.1.ff",),
    ]


def test_copies_of_a_block_come_in_the_order_of_their_numbers(tmp_path):
    shapes = {n: s for n, s in SHAPES.items() if not n.startswith("h.")}
    for layer in range(12):
        shapes |= {n.replace("h.0", f"h.{layer}"): s for n, s in SHAPES.items() if "h.0" in n}
    spec = bound(tmp_path, TOY, shapes, **CONFIG)
    assert [n for n in spec.free_spaces() if n.endswith("ff")] == [f"h.{k}.ff" for k in range(12)]


REFUSED = {
    # name: (what is replaced in TOY, by what, changes to SHAPES, quoted, place in the file)
    "a tensor no line covers": (
        '"out.weight"   = "label resid"\n',
        "",
        {},
        ["specs/toy.toml leaves 1 tensors uncovered", "out.weight [3, 8]", "under [param]"],
        None,
    ),
    "a line that matches nothing": (
        '"out.weight" ',
        '"out.wieght" ',
        {},
        ['"out.wieght" matches nothing', '"out.wieght?" if it may be', "mean 'out.weight'?"],
        '"out.wieght"',
    ),
    "an optional line with a typo in every copy": (
        '"down.bias?"',
        '"down.biass?"',
        {"h.0.down.bias": (8,), "h.1.down.bias": (8,)},
        ['"down.biass?" matches nothing', "h.0.down.bias [8] is covered by no line", "'down.bias'"],
        '"down.biass?"',
    ),
    "a size that does not fit": (
        '"(ff + ff) resid"',
        '"ff resid"',
        {},
        [
            'h.0.down.weight does not fit "resid ff"',
            "axis 1: 20, but the tensor has 10   [8, 10]",
            "ff = 20 from h.0.up.weight",
        ],
        '"down.weight"',
    ),
    "a part that is missing": (
        '"resid (head vo)"',
        '"resid (head vo + head vo)"',
        {},
        [
            'h.0.o.weight does not fit "resid (head vo + head vo)"',
            "axis 1: 2·3 + 2·3 = 12, but the tensor has 6   [8, 6]",
            "vo = 3 from h.0.v.weight",
            "check the sizes",
        ],
        '"o.weight"',
    ),
    "a fused tensor read as one part": (
        "space.ff   = {}",
        "space.ff   = 10",
        {"h.0.down.weight": (8, 30)},
        ["axis 1: 10, but the tensor has 30   [8, 30]", "3·10: are parts missing? (ff + ff"],
        '"down.weight"',
    ),
    "axes in the wrong order": (
        '"resid ff"',
        '"ff resid"',
        {},
        [
            'h.0.down.weight does not fit "ff resid"',
            "axis 0: 10, but the tensor has 8   [8, 10]",
            "another axis has 10: are the axes in the tensor's order?",
        ],
        '"down.weight"',
    ),
    "a size that is not whole": (
        '"(ff + ff) resid"',
        '"(ff + ff + ff) resid"',
        {},
        ["ff + ff + ff, but the tensor has 20   [20, 8]"],
        '"up.weight"',
    ),
    "too few axes": (
        '"label resid"',
        '"label"',
        {},
        ['out.weight does not fit "label"', "1 axes are named, the tensor has 2: [3, 8]"],
        '"out.weight"',
    ),
    "an undeclared name": (
        '"resid ff"',
        '"rseid ff"',
        {},
        ["no space 'rseid' is declared", "h.0.down.weight [8, 10]", "did you mean 'resid'?"],
        '"down.weight"',
    ),
    "an undeclared outer space": (
        '{ within = "head" }',
        '{ within = "haed" }',
        {},
        ["vo lies within 'haed'", "no space 'haed'", "mean 'head'?", "stands above"],
        "space.vo",
    ),
    "a fixed space within another": (
        'label = "num_labels"',
        'label = { size = "num_labels", within = "token" }',
        {},
        ["label is fixed and lies within 'token'", "leave `within` away"],
        "label =",
    ),
    "a tensor claimed twice": (
        '"down.bias?"  = "resid"',
        '"down.bias?"  = "resid"\n\n[block.buffer]\n"up.weight" = "resid ff"',
        {},
        ['h.0.up.weight [20, 8] is claimed twice, as "resid ff"', '"(ff + ff) resid" in specs/'],
        '"up.weight" = "resid ff"',
    ),
    "a space declared twice": (
        "space.ff   = {}",
        "space.ff   = {}\nspace.resid = {}",
        {},
        ["space 'resid' is declared twice", 'block "h.{layer}"', "rename"],
        "space.resid",
    ),
    "a space that is fixed and free": (
        "token = {}",
        "token = {}\nresid = {}",
        {},
        ["space 'resid' is declared twice", "the first time in specs/toy.toml, line 6"],
        'resid = "width"',
    ),
    "one free space on two axes": (
        '"resid ff"',
        '"resid (resid 1)"',
        {},
        ['h.0.down.weight [8, 10] is "resid (resid 1)"', "'resid' twice, on axes 0 and 1"],
        '"down.weight"',
    ),
    "one free space composed with itself": (
        '"resid ff"',
        '"resid (ff ff)"',
        {},
        ["'ff' twice, on axis 1", "[8, 10]"],
        '"down.weight"',
    ),
    "an inner space without its outer one": (
        '"resid (head vo)"',
        '"resid (3 vo)"',
        {"h.0.o.weight": (8, 9), "h.1.o.weight": (8, 9)},
        ['h.0.o.weight [8, 9] is "resid (3 vo)"', "'vo' lies within 'head'", "(head vo)"],
        '"o.weight"',
    ),
    "an inner space to the left of its outer one": (
        '"resid (head vo)"',
        '"resid (vo head)"',
        {},
        ["'vo' lies within 'head', which is not to its left", "compose them: (head vo)"],
        '"o.weight"',
    ),
    "sizes that cannot be distinguished": (
        'space.head = "heads"',
        "space.head = {}",
        {},
        [
            "the sizes of 'head' and 'vo' cannot be distinguished",
            'h.0.v.weight is "(head vo) resid", axis 0 has length 6   [6, 8]',
            "give one of them a size",
        ],
        '"v.weight"',
    ),
    "a size left open by a square": (
        '"token resid"',
        '"(token token) resid"',
        {"embed.weight": (9, 8)},
        ["the size of 'token' is left open", "[9, 8]", "a number or a configuration field"],
        '"embed.weight"',
    ),
    "a field the configuration lacks": (
        'space.head = "heads"',
        'space.head = "num_heads"',
        {},
        ["space 'head' takes its size from the configuration field 'num_heads'", "= None"],
        "space.head",
    ),
    "a space on no axis": (
        "token = {}",
        "token = {}\npixel = {}",
        {},
        ["space 'pixel' is declared but on no axis", "remove it"],
        "pixel = {}",
    ),
    "notation that cannot be read": (
        '"(ff + ff) resid"',
        '"(ff + ff resid"',
        {},
        ["cannot be read", "never closed, at character 1"],
        '"up.weight"',
    ),
    "observations in a parameter": (
        '"resid ff"',
        '"* ff"',
        {},
        ['h.0.down.weight [8, 10] is "* ff"', "belongs under [watch]"],
        '"down.weight"',
    ),
    "a block that matches nothing": (
        'at = "h.{layer}"',
        'at = "blocks.{layer}"',
        {},
        ['block "blocks.{layer}" matches nothing', "begin with embed.weight, h.0.down"],
        "at =",
    ),
    "a condition on an unknown field": (
        'at = "h.{layer}"',
        'at = "h.{layer}"\nwhen = { head = 2 }',
        {},
        ["configuration field 'head'", "no such field", "did you mean 'heads'?"],
        "when =",
    ),
    "a watch that points nowhere": (
        '"-> out" =',
        '"out" =',
        {},
        ['"out" is no place to watch', '"-> module" is what enters it'],
        '"out" =',
    ),
    "a watch that points both ways": (
        '"-> out" =',
        '"-> out ->" =',
        {},
        ['"-> out ->" is no place to watch'],
        '"-> out ->"',
    ),
    "a watch without units": (
        '"* * resid"',
        '"* * *"',
        {},
        ['watch "-> out" is "* * *"', "0 axes of units", '"* * resid"'],
        '"-> out"',
    ),
    "a watch with two axes of units": (
        '"* * ff"',
        '"* resid ff"',
        {},
        ['watch "-> down" is "* resid ff"', "2 axes of units"],
        '"-> down"',
    ),
    "a watch of something undeclared": (
        '"* * ff"',
        '"* * fff"',
        {},
        ["no space 'fff' is declared", "did you mean 'ff'?"],
        '"-> down"',
    ),
    "a place watched twice": (
        '"-> out" = "* * resid"',
        '"-> out" = "* * resid"\n"->out" = "* * resid"',
        {},
        ["watched already"],
        '"->out"',
    ),
    "a watch with an inner space alone": (
        '"* * ff"',
        '"* * vo"',
        {},
        ['watch of h.0.down is "* * vo"', "'vo' lies within 'head'"],
        '"-> down"',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses_and_says_what_where_and_what_to_try(tmp_path, case):
    old, new, changed, quoted, place = REFUSED[case]
    assert TOY.count(old) == 1
    text = TOY.replace(old, new)
    with pytest.raises(SpecError) as refused:
        bound(tmp_path, text, SHAPES | changed, **CONFIG)
    said = str(refused.value)
    for part in quoted:
        assert part in said, f"{part!r} is not in\n{said}"
    assert "specs/toy.toml" in said
    if place:
        assert f"from:  specs/toy.toml, line {line_of(text, place)}" in said
    assert refused.value.hint


def test_a_square_is_no_riddle_where_its_side_is_known_elsewhere(tmp_path):
    text = TOY.replace("token = {}", "token = {}\npatch = {}").replace(
        '"token resid"', '"(patch patch token) resid"'
    )
    text = text.replace('"out.bias?"    = "label"', '"side" = "patch"\n"tokens" = "token"')
    shapes = SHAPES | {"embed.weight": (18, 8), "side": (3,), "tokens": (2,)}
    spec = bound(tmp_path, text, shapes, **CONFIG)
    assert (spec.sizes["patch"], spec.sizes["token"]) == (3, 2)
