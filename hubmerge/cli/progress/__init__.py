"""The one line that shows how far a command is."""
