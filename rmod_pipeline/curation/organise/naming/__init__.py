"""Name the folders and files of a tidy tree: what a pattern says, what every system takes, what is free."""
