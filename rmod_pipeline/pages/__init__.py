"""Self-contained HTML pages: pairs of a data set, and the results of an extraction."""
