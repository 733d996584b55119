"""Low-rank adapters in PEFT's format: reading them, adding them to a base, and writing them."""
