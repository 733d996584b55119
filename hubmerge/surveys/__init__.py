"""Surveys as commands: align the models of a recipe, measure what lies between, write it down."""
