"""What a merge says for itself: report.json, model card, plot, terminal. Knows numbers only."""
