"""Parents as they are merged, where these are not the repositories as they are.

With another vocabulary, for instance: each is written as a whole checkpoint beside the result,
tensor by tensor, and removed afterwards. What follows merges them like any others.
"""
