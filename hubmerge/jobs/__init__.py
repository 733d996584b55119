"""Hugging Face Jobs: hubmerge's own commands on a machine of the Hub's, and their result here."""
