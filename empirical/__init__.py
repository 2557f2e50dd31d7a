"""Trains GPT-like models on arithmetic and measures, per length, what function they compute."""
