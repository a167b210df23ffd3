"""Train a classifier of one-shots on the sounds of libraries."""
