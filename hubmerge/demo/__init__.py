"""The demo: handwritten digits, small parents trained on them, and their merges."""
