"""What ATen operations do to axes, one file per kind of operation; importing it registers them."""

from hubmerge.derivation.rules import arithmetic, indexing, layers, views

__all__ = ["arithmetic", "indexing", "layers", "views"]
