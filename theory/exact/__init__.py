"""Exact accuracies: fractions by counting, per length, region and digit, and their closed forms."""
