"""When do GPT-like models generalise to longer arithmetic? Computed answers; no torch."""
