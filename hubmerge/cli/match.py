"""hubmerge match: what lines models up, without merging them."""

from __future__ import annotations

from hubmerge.cli import options as o
from hubmerge.utils.parent_names import parent_letters

NAME = "match"


def command(
    models: o.Models,
    match: o.MatchName = "auto",
    symmetry: o.Symmetry = "auto",
    together: o.TogetherName = "auto",
    labels: o.Labels = "by-name",
    heads: o.HeadsName = "same",
    learning_steps: o.LearningSteps = None,
    seed: o.Seed = 0,
    trust_remote_code: o.TrustRemoteCode = False,
    dataset: o.Dataset = None,
    dataset_config: o.DatasetConfig = None,
    split: o.Split = None,
    calibration_split: o.CalibrationSplit = None,
    image_column: o.ImageColumn = None,
    feature_column: o.FeatureColumn = None,
    label_column: o.LabelColumn = None,
    text_column: o.TextColumn = None,
    tokens: o.Tokens = None,
    calibration_samples: o.CalibrationSamples = None,
    out: o.Out = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Find the symmetries that line B (and C ...) up with A; reads only. -o is for --alignment."""
    data = o.data_fields(
        dataset,
        config=dataset_config,
        split=split,
        calibration_split=calibration_split,
        image_column=image_column,
        feature_column=feature_column,
        label_column=label_column,
        text_column=text_column,
        tokens=tokens,
    )
    given = {
        "match": match,
        "symmetry": symmetry,
        "together": together,
        "labels": labels,
        "heads": heads,
        "learning_steps": learning_steps,
        "seed": seed,
        "trust_remote_code": trust_remote_code,
        "dataset": data,
        "calibration_samples": calibration_samples,
    }
    recipe = o.recipe_of(models, None, given)
    o.settle(quiet=quiet, json=json)

    from hubmerge.pipeline.find_matches import as_json, as_text, find_matches

    found = find_matches(recipe, out)
    o.say(as_json(found) if json else as_text(found))
    if out is not None and not json:
        models_again = " ".join(parent_letters(len(recipe.models)))
        o.say(f"\nsaved in {out}; use it with: hubmerge merge {models_again} --alignment {out}")
