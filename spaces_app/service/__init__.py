"""Jobs of all visitors: fair queue, one process per job, expiring results. Without Gradio."""
