"""Folders of sounds by ear: classify, train and compare classifiers, search, organise, harvest, make kits."""
