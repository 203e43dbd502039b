"""What every page shares: readings, seeds, tables."""
