"""The files that all formats of a release share: the data, the papers, the checksums and their signature."""
