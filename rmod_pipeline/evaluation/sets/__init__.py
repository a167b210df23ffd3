"""What systems are evaluated on: pairs of a data set, and windows of songs without truth."""
