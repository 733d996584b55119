"""The arguments that say what is to be merged and where it goes, for every command about that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from hubmerge.cli import looking
from hubmerge.cli import options as o
from hubmerge.cli.named_values import fuse_options_of

if TYPE_CHECKING:
    from hubmerge.hub.destination import Destination
    from hubmerge.recipe import Recipe

ELSEWHERE = frozenset(
    {"recipe", "out", "push", "private", "create_pr", "revision", "exist_ok", "json", "quiet"}
)
"""Options that go together with --recipe: they change nothing about what the merge is."""

Act = Callable[["Recipe", "Destination", bool], None]
"""What a command does with the recipe, the destination, and whether JSON is wanted."""


def merging(act: Act) -> Callable[..., None]:
    """A command that takes all of a merge's arguments and hands `act` what they make together."""

    def command(
        context: typer.Context,
        models: o.Models = None,
        match: o.MatchName = "auto",
        symmetry: o.Symmetry = "auto",
        together: o.TogetherName = "auto",
        fuse: o.FuseName = "average",
        fuse_option: o.FuseOptions = None,
        base: o.Base = None,
        only: o.Only = None,
        keep: o.Keep = None,
        repair: o.RepairName = "auto",
        lam: o.Lambda = 0.5,
        weights: o.Weights = None,
        best: o.Best = False,
        labels: o.Labels = "name",
        heads: o.HeadsName = "same",
        learning_steps: o.LearningSteps = None,
        seed: o.Seed = 0,
        alignment: o.Alignment = None,
        recipe: o.RecipeFile = None,
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
        samples: o.Samples = None,
        calibration_samples: o.CalibrationSamples = None,
        train_samples: looking.TrainSamples = None,
        path_points: looking.PathPoints = None,
        survey: looking.Survey = None,
        out: o.Out = None,
        push: o.Push = None,
        private: o.Private = None,
        create_pr: o.CreatePr = False,
        revision: o.Revision = None,
        exist_ok: o.ExistOk = False,
        json: o.Json = False,
        quiet: o.Quiet = False,
    ) -> None:
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
            "fuse": fuse,
            "fuse_options": fuse_options_of(fuse_option),
            "base": base,
            "only": tuple(only or ()),
            "keep": tuple(keep or ()),
            "repair": repair,
            "lam": lam,
            "weights": o.mixture_of(weights),
            "best": best,
            "labels": labels,
            "heads": heads,
            "learning_steps": learning_steps,
            "seed": seed,
            "alignment": str(alignment) if alignment else None,
            "trust_remote_code": trust_remote_code,
            "dataset": data,
            "samples": o.number_of_samples(samples),
            "calibration_samples": calibration_samples,
            "train_samples": train_samples,
            **({} if path_points is None else {"path_points": path_points}),
            "survey": tuple(survey or ()),
        }
        if recipe is not None:
            o.refuse_beside_recipe(context, recipe, ELSEWHERE)
        wanted = o.recipe_of(models, recipe, given)
        destination = o.destination_of(out, push, private, create_pr, revision, exist_ok)
        o.settle(quiet=quiet, json=json)
        act(wanted, destination, json)

    command.__doc__ = act.__doc__
    return command
