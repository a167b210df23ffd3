"""Train models: rooms for codecs, DOSE, ears, and what trainings share. ``run.py`` trains what a recipe says.

Only ``recipes.py`` and the recipes of codecs do without torch.
"""
