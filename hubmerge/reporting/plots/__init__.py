"""The pictures of reports and surveys, drawn from typed results alone."""
