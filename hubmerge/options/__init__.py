"""Options: what a user can choose, declared once on the field that holds it."""
