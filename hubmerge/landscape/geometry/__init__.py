"""Points, paths, planes, simplexes and complexes in weight space, as pure functions."""
