"""Finding the symmetry that aligns two models."""

from hubmerge.matching.learned.registry import Learner, find_method, learners
from hubmerge.matching.match_files import load_match, save_match
from hubmerge.matching.registry import Matcher, find_matcher, matchers
from hubmerge.matching.result import Match, SpaceMatch
from hubmerge.matching.similarity.moments import Moments, measure_moments
from hubmerge.matching.text import match_json, match_text

__all__ = [
    "Learner",
    "Match",
    "Matcher",
    "Moments",
    "SpaceMatch",
    "find_matcher",
    "find_method",
    "learners",
    "load_match",
    "match_json",
    "match_text",
    "matchers",
    "measure_moments",
    "save_match",
]
