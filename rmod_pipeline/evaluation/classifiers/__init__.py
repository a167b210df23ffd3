"""Compare classifiers of one-shots on the sounds of libraries, by cross-validation over kits."""
