"""Cut one-shots from drum performances and loops: onsets, isolation, cuts, clusters, files."""
