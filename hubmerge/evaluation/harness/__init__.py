"""Benchmarks of language models, run by lm-evaluation-harness and compared row by row."""
