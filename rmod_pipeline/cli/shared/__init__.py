"""What several commands share: options and arguments, and what is printed at the end of a run."""
