"""Every read and write of the catalogue's tables."""
