"""Small real data sets and models: scikit-learn's digits."""

from tests.helpers.digits_fixtures import digits, head, own_cache, processor, resnet, write

__all__ = ["digits", "head", "own_cache", "processor", "resnet", "write"]
