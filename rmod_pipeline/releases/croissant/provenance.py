"""Say in Croissant how a release was made, in the words of PROV-O, and what may be done with it, in those of ODRL.

Nothing here is legal advice: the terms are those that rmod assumes of each licence.
"""

from __future__ import annotations

from typing import Any

from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseRequest

_PAPER = "https://arxiv.org/abs/2504.18157"

_PERMITTED = ("reproduce", "distribute", "derive")


def describe_provenance(request: ReleaseRequest, facts: ReleaseFacts) -> dict[str, Any]:
    """Return what the data set was derived from, and the activity that generated it."""
    software = {
        "@type": ["prov:SoftwareAgent", "sc:SoftwareApplication"],
        "@id": "urn:rmod:software",
        "name": "rmod",
        "softwareVersion": facts.rmod,
        "softwareRequirements": [f"{package} {version}" for package, version in facts.versions.items()],
    }
    recipe = {
        "@type": ["prov:Entity", "prov:Plan"],
        "@id": f"urn:rmod:recipe:{facts.fingerprint}",
        "name": f"recipe {facts.recipe}",
        "text": facts.recipe_text,
    }
    library = {
        "@type": ["prov:Entity", "prov:Collection"],
        "@id": f"urn:rmod:library:sha256:{facts.library_digest}",
        "name": "library of sounds",
        "sha256": facts.library_digest,
        "size": f"{facts.library_sounds} sounds, of which {len(facts.sounds)} are in use",
    }
    build = {
        "@type": "prov:Activity",
        "@id": f"urn:rmod:build:sha256:{facts.fingerprint}",
        "name": "Build of the data set by rmod",
        "description": "Imported from files."
        if facts.is_imported
        else f"Composed and rendered from the recipe with seed {facts.seed} by the engine {facts.engine}.",
        "sha256": facts.fingerprint,
        "prov:used": [{"@id": library["@id"]}, {"@id": recipe["@id"]}],
        "prov:wasAssociatedWith": software,
    }
    credited = [{"@type": "prov:Agent", "name": name} for name in request.creators]
    return {
        "prov:wasDerivedFrom": [library, recipe],
        "prov:wasGeneratedBy": build,
        "prov:wasAttributedTo": credited,
        "isBasedOn": _PAPER,
    }


def describe_terms(request: ReleaseRequest) -> dict[str, Any]:
    """Return the terms of the licence of the whole as an ODRL offer: permissions, duties, prohibitions."""
    expression, terms = request.licensing.expression, request.licensing.terms
    offer: dict[str, Any] = {
        "@type": ["sc:CreativeWork", "odrl:Offer"],
        "@id": "urn:rmod:terms",
        "name": f"Terms of {expression}",
        "description": f"What rmod assumes that the licences ask: {terms.in_words()}. This is no legal advice.",
    }
    if not terms.known:
        return offer
    duties = [
        ("odrl:attribute", terms.credit),
        ("http://creativecommons.org/ns#Notice", terms.notice),
        ("http://creativecommons.org/ns#ShareAlike", terms.share_alike),
    ]
    forbidden = [("http://creativecommons.org/ns#CommercialUse", terms.non_commercial)]
    forbidden += [("odrl:derive", terms.no_derivatives)]
    permitted = [action for action in _PERMITTED if action != "derive" or not terms.no_derivatives]
    duty = [{"@type": "odrl:Duty", "odrl:action": {"@id": action}} for action, applies in duties if applies]
    permission: dict[str, Any] = {
        "@type": "odrl:Permission",
        "odrl:action": [{"@id": f"odrl:{action}"} for action in permitted],
    }
    offer["odrl:permission"] = {**permission, "odrl:duty": duty} if duty else permission
    prohibitions = [
        {"@type": "odrl:Prohibition", "odrl:action": {"@id": action}} for action, applies in forbidden if applies
    ]
    return {**offer, "odrl:prohibition": prohibitions} if prohibitions else offer
