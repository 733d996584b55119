"""How similar the units of two models are: by weights, by activations, by cosine."""
