"""The model, and its position encodings."""
