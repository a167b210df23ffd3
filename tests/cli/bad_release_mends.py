"""The remedies of the cases of `bad_releases.py`."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cli.bad_input_world import FOUND, Arguments, World
from tests.cli.bad_release_acts import UNKNOWN, release, released
from tests.cli.bad_tokens import encode
from tests.cli.mending import Fault, Mend, again, argument, as_meant, edited, option, proposed, remove_it
from tests.inspection.report.planted import COPY

_MEANT = r"did you mean '([\w-]+)'"


def _finish_build(fault: Fault) -> Arguments:
    """Give the build command again; before, look at the status as told."""
    fault.run(*fault.command())
    fault.run(*fault.world.build())
    return fault.arguments


def _finish_encoding(fault: Fault) -> Arguments:
    fault.run(*encode(fault.world, fault.world / "codec.pth", "--batch", 4))
    return fault.arguments


def _remake_as_told(fault: Fault) -> Arguments:
    """Remove the receipt that the hint names, and build again."""
    receipt = re.search(r"remove (.+) and give the command that made it again", fault.hint)
    assert receipt, fault.message
    Path(shlex.split(receipt[1])[0]).unlink()
    fault.run(*fault.world.build())
    return fault.arguments


def _copies_in_one_split(fault: Fault) -> Arguments:
    """Put the copy into the split of the original, and build in another folder."""
    fault.world.manifest(lambda rows: [row.update(split="train") for row in rows if row["id"] == COPY])
    fault.run(*fault.world.build(out=fault.world / "other"))
    return fault.argument(1, fault.world / "other")


def _own_thresholds(fault: Fault) -> Arguments:
    """Look at the report as told, which finds the same, and allow what it found."""
    found = fault.run(*fault.command(), codes=(FOUND,))
    broken = re.search(r"(\w+)\.(\w+): .*measured (-?[\d.]+)\)", found.out)
    assert broken, found.out
    own = fault.world / "own.yaml"
    own.write_text(f"{broken[1]}: {{{broken[2]}: {float(broken[3]) + 1}}}\n")
    return fault.option("--thresholds", own)


def _allow_as_named(fault: Fault) -> Arguments:
    """Name each licence that the hint names with --allow-licence."""
    names = re.search(r"with --allow-licence: (.+)", fault.hint)
    assert names, fault.message
    return [*fault.arguments, *(word for name in names[1].split(", ") for word in ("--allow-licence", name))]


def _cut_as_told(fault: Fault) -> Arguments:
    return proposed("--licence-class", r"--licence-class ([\w-]+)")(fault)


def _correct_licence(fault: Fault) -> Arguments:
    """Correct the licence in the manifest, and build in another folder."""
    manifest = fault.world.manifest(lambda rows: [row.update(licence="CC0-1.0") for row in rows])
    fault.run(*fault.world.build(library=manifest, out=fault.world / "other", pairs="train=3"))
    return fault.argument(1, fault.world / "other")


def _build_of_class(fault: Fault) -> Arguments:
    chosen = re.search(r"build another data set with --licences ([\w-]+)", fault.hint)
    assert chosen, fault.message
    fault.run(*fault.world.build("--licences", chosen[1], out=fault.world / "other", pairs="train=3"))
    return fault.argument(1, fault.world / "other")


def _all_in_train(world: World) -> None:
    """Edit the split column, a whole group at a time."""
    world.manifest(lambda rows: [row.update(split="train") for row in rows])


def _fill_licences(world: World) -> None:
    world.manifest(lambda rows: [row.update(licence="CC0-1.0") for row in rows])


def _of_length(name: str) -> Mend:
    """Give a text as long as the message says."""

    def mend(fault: Fault) -> Arguments:
        most = re.search(r"give one of (?:\d+ to|up to) (\d+)", fault.hint)
        assert most, fault.message
        return fault.option(name, "d" * int(most[1]))

    return mend


def _shipped_template(fault: Fault) -> Arguments:
    """Begin with the template that the hint names."""
    shipped = re.search(r"see (\S+), which uses every field", fault.hint)
    assert shipped, fault.message
    shutil.copy(shipped[1], fault.world / "card.md.j2")
    return fault.arguments


def _write_template(world: World) -> None:
    (world / "card.md.j2").write_text("# {{ release.title }}\n")


def _make_key(fault: Fault) -> Arguments:
    """Run the commands of openssl that the hint names."""
    commands = re.search(r"make one: (.+)", fault.hint)
    assert commands, fault.message
    for command in commands[1].split("; "):
        subprocess.run(shlex.split(command), cwd=fault.world.folder, check=True, capture_output=True)
    return fault.option("--key", fault.world / "release.pem")


def _get_again(world: World) -> None:
    """Get the release again: `signed` of a new copy."""
    shutil.rmtree(world / "signed")
    released(world)


def _release_again(fault: Fault) -> Arguments:
    fault.run(*release(fault.world, *UNKNOWN))
    return fault.argument(2, fault.world / "release")


_OTHER_TO = option("--to", Path("another"))
_OTHER_PAGE = option("--page", Path("another.html"))
_PUBLISHED_KEY = option("--key", Path("release.pub"))
_DATA_SET = argument(1, lambda world: released(world).out)

MENDS: dict[str, Sequence[Mend]] = {
    "release a folder without a data set": [_DATA_SET],
    "release an unfinished build": [_finish_build],
    "release before all tokens are made": [_finish_encoding],
    "release a data set with a tar that was cut": [_remake_as_told],
    "release a data set with one sound in two splits": [_copies_in_one_split],
    "release what breaks a threshold": [_own_thresholds],
    "release sounds without a licence": [_cut_as_told, _allow_as_named],
    "release sounds whose licence has to be allowed by name": [_allow_as_named],
    "release one file under two licences": [_correct_licence],
    "release a pair of licences that contradict each other": [_cut_as_told, _allow_as_named],
    "allow a licence that no sound is under": [proposed("--allow-licence", _MEANT)],
    "`--licence-class atribution`": [proposed("--licence-class", _MEANT)],
    "a class of licences that leaves no pair": [option("--licence-class", "attribution"), _build_of_class],
    "`--licence-texts` is not there": [again(lambda world: (world / "texts").mkdir())],
    "`--licences atribution`": [proposed("--licences", _MEANT)],
    "`--licences` that leaves no sound": [option("--licences", "share-alike"), again(_fill_licences)],
    "`--licences` that leaves too few sounds": [option("--licences", "any"), again(_all_in_train)],
    "release for a site that there is not": [proposed("--format", _MEANT)],
    "a name with capitals and spaces": [proposed("--name", r"such as ([a-z-]+)")],
    "a name that Kaggle refuses": [_of_length("--name")],
    "a title that Kaggle refuses": [_of_length("--title")],
    "a subtitle that Kaggle refuses": [_of_length("--subtitle")],
    "release for Kaggle without an owner": [option("--owner", "me")],
    "a keyword that Kaggle drops": [proposed("--keyword", "choose (audio)")],
    "a name that the hub refuses": [_of_length("--name")],
    "single files for the hub": [option("--loose")],
    "`--version first`": [proposed("--version", r"such as (\d\.\d\.\d)")],
    "`--date` of a day that is none": [proposed("--date", r"write it as ([\d-]+)")],
    "`--to` exists": [_OTHER_TO],
    "`--to` is inside the data set": [_OTHER_TO],
    "`--to` is below a file": [_OTHER_TO],
    "a template that is not there": [again(_write_template)],
    "a template with an unknown field": [_shipped_template],
    "a template that does not end a field": [_shipped_template],
    "sign with a key that is not there": [_make_key],
    "sign with a text": [_make_key],
    "sign with a key that has a passphrase": [option("--key", Path("release.pem"))],
    "verify a data set as a release": [argument(2, lambda world: world / "signed")],
    "verify a release with a changed file": [again(_get_again), _release_again],
    "verify a release with an added file": [again(_get_again)],
    "verify a release with somebody else's key": [_PUBLISHED_KEY],
    "verify a release whose signature was changed": [again(_get_again)],
    "verify a release that is not signed with a key": [option("--key"), again(_get_again)],
    "verify with a key that is not there": [_PUBLISHED_KEY],
    "verify with a text in place of a key": [_PUBLISHED_KEY],
    "report on a folder without a data set": [_DATA_SET],
    "report on an unfinished build": [_finish_build],
    "report on a data set with a tar that was cut": [_remake_as_told],
    "thresholds that are not there": [
        again(lambda world: (world / "mine.yaml").write_text("draws: {significance: 0.001}\n"))
    ],
    "thresholds with an unknown key": [as_meant("mine.yaml", "lufs_maxx")],
    "thresholds with a wrong value": [edited("mine.yaml", "2", "0.001")],
    "a report whose page exists": [remove_it, _OTHER_PAGE],
    "a report whose JSON exists": [remove_it, _OTHER_PAGE],
    "a report page that is no HTML by name": [_OTHER_PAGE],
    "a report page below a file": [_OTHER_PAGE],
    "a report with the library of another build": [option("--library", Path("library/library.csv"))],
}
