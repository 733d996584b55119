"""Corrections of what a fusion made of a base. A file registers one, named like it."""
