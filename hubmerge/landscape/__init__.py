"""What lies between models: curves, planes, simplexes and complexes through weight space."""
