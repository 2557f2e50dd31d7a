"""Verdicts and predictions as people and programs read them."""
