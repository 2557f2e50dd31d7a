"""Trained networks proved right at every length, by a finite check with a bound on rounding."""
