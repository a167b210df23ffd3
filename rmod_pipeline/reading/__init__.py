"""Read data sets: streams for training, single pairs by key, a whole data set as a Python object."""
