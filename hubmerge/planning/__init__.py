"""Everything that is known before weights are downloaded: checks, resources, the plan as text."""
