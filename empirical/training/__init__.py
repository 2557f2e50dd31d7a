"""How networks are trained: one, many as one model, or a sweep of processes."""
