"""Jobs of many people: a fair queue, one process per job, results that expire. No Gradio here."""
