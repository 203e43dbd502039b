"""Which runs a page needs, doing one, and finding it again."""
