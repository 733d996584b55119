"""The main job: one file per step, in the order in which `run` calls them."""
