"""Systems that are compared: each is given a mixture and a kind, and answers with a one-shot."""
