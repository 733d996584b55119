"""The demo: real handwritten digits, small parents trained on them, and merges of those."""
