"""hubmerge match: what lines two models up, without merging them."""

from __future__ import annotations

from hubmerge.cli import options as o

NAME = "match"


def command(
    a: o.ModelA,
    b: o.ModelB,
    match: o.MatchName = "auto",
    symmetry: o.Symmetry = "all",
    labels: o.Labels = "by-name",
    seed: o.Seed = 0,
    trust_remote_code: o.TrustRemoteCode = False,
    dataset: o.Dataset = None,
    dataset_config: o.DatasetConfig = None,
    split: o.Split = None,
    calibration_split: o.CalibrationSplit = None,
    image_column: o.ImageColumn = None,
    feature_column: o.FeatureColumn = None,
    label_column: o.LabelColumn = None,
    calibration_samples: o.CalibrationSamples = None,
    out: o.Out = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Find the symmetry that lines B up with A; reads only. -o saves it for --alignment."""
    data = o.data_fields(
        dataset,
        config=dataset_config,
        split=split,
        calibration_split=calibration_split,
        image_column=image_column,
        feature_column=feature_column,
        label_column=label_column,
    )
    given = {
        "match": match,
        "symmetry": symmetry,
        "labels": labels,
        "seed": seed,
        "trust_remote_code": trust_remote_code,
        "dataset": data,
        "calibration_samples": calibration_samples,
    }
    recipe = o.recipe_of(a, b, None, given)
    o.settle(quiet=quiet, json=json)

    from hubmerge.finding import find_match
    from hubmerge.matching import match_json, match_text

    found = find_match(recipe, out)
    o.say(match_json(found) if json else match_text(found))
    if out is not None and not json:
        o.say(f"\nsaved in {out}; use it with: hubmerge merge A B --alignment {out}")
