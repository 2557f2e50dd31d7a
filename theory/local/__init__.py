"""What a network that sees bounded parts of its line can compute: contexts, windows, bands, alignment."""
