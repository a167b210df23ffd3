"""What is said of the answers: means with intervals, distances of distributions, paired tests, copies, losses."""
