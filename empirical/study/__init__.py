"""What trained networks do: counts per length, wrong answers, representations, pictures."""
