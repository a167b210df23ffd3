"""Describe a release in Croissant 1.1: its files, its records, how it was made (PROV-O) and what may be done (ODRL).

request + facts + receipts of the release -> croissant.json
"""

from rmod_pipeline.releases.croissant.document import CROISSANT, describe_release, write_croissant

__all__ = ["CROISSANT", "describe_release", "write_croissant"]
