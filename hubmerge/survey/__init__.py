"""Looking at what lies between models: measured, drawn, and written down; nothing is merged."""
