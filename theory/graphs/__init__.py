"""Digit dependency graphs: their rules for all lengths, fingerprints, formats and pictures."""
