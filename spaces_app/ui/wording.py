"""What hubmerge tells who sits at a terminal to try, said to who sits at this page."""

from __future__ import annotations

import re

MATCHING, FUSION, REPAIR, SYMMETRIES = "Matching", "Fusion", "Repair", "Symmetries"
OTHER_CLASSES = "Models that know other classes"

_PHRASES = (
    (r"sign in again with `hf auth login`, or unset HF_TOKEN.*", "sign in again, with another one"),
    (r"(with a token of the write role): `hf auth login`", r"\1"),
    (r"sign in with `hf auth login`(,? or set HF_TOKEN)?", "sign in on this page"),
    (r"`hf auth whoami` says.*", "the top of this page says as whom you are signed in"),
    (r"run (the same command|this) again later", "start it again later"),
    (r"another name; or --create-pr to propose .*", "another name, or another way of publishing"),
    (r"leave out --create-pr: .*", "“a new repository”, which is created when you publish"),
    (r"push again with --exist-ok", "publish again as a commit to one of yours"),
    (r"push to (.*); or, (.*): --public", r"\1; or, \2: “public”"),
    (r"--push (\S+)", r"\1"),
    (r"add --dataset", "name a data set"),
    (r"--base ID: (.*)", r"Advanced, “Common base”: \1"),
    (r", or leave out --base", ", or “Common base” left empty"),
    (r"leave out --lambda and --weights", "λ at 0.5, and a level below “Best”"),
    (r"see docs/recipe\.md", "a recipe as this page shows it"),
    (r"--match ([\w-]+)", rf"{MATCHING} “\1”"),
    (r"--fuse ([\w-]+)", rf"{FUSION} “\1”"),
    (r"--repair ([\w-]+)", rf"{REPAIR} “\1”"),
    (r"--symmetry permutations", f"{SYMMETRIES} “reordering alone”"),
    (r"--symmetry all", f"{SYMMETRIES} “all the family allows”"),
    (r"hubmerge merge --heads join makes", f"{OTHER_CLASSES} “all in one list” makes"),
    (r"leave out --heads", f"{OTHER_CLASSES} “refused”"),
    (r" --learning-steps \d+", " with more `learning_steps` in a recipe"),
    (r"--samples all", "more rows to measure on"),
    (r"--samples", "rows to measure on"),
    (r"--lambda", "λ"),
)
PHRASES = tuple((re.compile(pattern), said) for pattern, said in _PHRASES)


def here(hint: str) -> str:
    """`hint` in the words of the page."""
    for pattern, said in PHRASES:
        hint = pattern.sub(said, hint)
    return hint
