"""What a run is, and where it is kept: specs, settings, the store, plans, grids, archives."""
