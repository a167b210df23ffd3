"""Bad input about releases and reports: the cases of `rmod release`, `rmod report` and `rmod build --licences`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.bad_input_world import FOUND, Case
from tests.cli.bad_release_acts import (
    FEW,
    UNKNOWN,
    added_file,
    build_under,
    changed_release,
    changed_signature,
    contradiction,
    damaged,
    existing_target,
    for_site,
    library_without_kicks,
    no_commercial_use,
    no_pair_of_a_class,
    release,
    releasing,
    report,
    reporting,
    sound_in_two_splits,
    two_licences_of_a_file,
    unfinished,
    unfinished_tokens,
    unsigned,
    verify_a_data_set,
    verifying,
    with_text,
)

DATA_CASES = [
    Case(
        name="release a folder without a data set",
        act=lambda world: ["release", world.library.parent, "--to", world / "release", *UNKNOWN, *FEW],
        says=("build.json", "no data set here", "->"),
    ),
    Case(
        name="release an unfinished build",
        act=unfinished(release, *UNKNOWN),
        says=("is not finished: 4 of 5 shards of audio", "rmod status", "->"),
    ),
    Case(
        name="release before all tokens are made",
        act=unfinished_tokens,
        says=("is not finished: 4 of 5 shards of tokens/", "->"),
    ),
    Case(
        name="release a data set with a tar that was cut",
        act=damaged(release, *UNKNOWN),
        says=("train-000001.tar", "not a whole tar", "->"),
    ),
    Case(
        name="release a data set with one sound in two splits",
        act=sound_in_two_splits,
        says=("does not pass verification", "their kick is the same sound", "->"),
    ),
    Case(
        name="release what breaks a threshold",
        act=with_text(releasing("--thresholds", Path("mine.yaml")), "mine.yaml", "loudness: {lufs_max: -60}\n"),
        says=("breaks 1 of the thresholds", "loudness.lufs_max", "rmod report", "->"),
    ),
]

LICENCE_CASES = [
    Case(
        name="release sounds without a licence",
        act=releasing(allowed=()),
        says=("allow by name", "unknown:", "bass/train-2", "->"),
    ),
    Case(
        name="release sounds whose licence has to be allowed by name",
        act=no_commercial_use,
        says=("CC-BY-NC-4.0 (keep the notice, credit, no commercial use):", "kick/train-0", "->"),
    ),
    Case(
        name="release one file under two licences",
        act=two_licences_of_a_file,
        says=("kick/train-1: the same file as kick/train-0", "its licence is contradictory", "->"),
    ),
    Case(
        name="release a pair of licences that contradict each other",
        act=contradiction,
        says=("mixes CC-BY-SA-4.0 and GPL-2.0-only, which contradict each other", "->"),
    ),
    Case(
        name="allow a licence that no sound is under",
        act=releasing(allowed=("--allow-licence", "unknwon")),
        says=("--allow-licence", "no sound is under 'unknwon' (did you mean 'unknown'?)", "->"),
    ),
    Case(
        name="`--licence-class atribution`",
        act=releasing("--licence-class", "atribution", allowed=()),
        says=("--licence-class", "unknown 'atribution' (did you mean 'attribution'?)", "->"),
    ),
    Case(
        name="a class of licences that leaves no pair",
        act=no_pair_of_a_class,
        says=("no pair is made of sounds of the class permissive alone", "->"),
    ),
    Case(
        name="`--licence-texts` is not there",
        act=releasing("--licence-texts", Path("texts")),
        says=("--licence-texts", "no such folder", "->"),
    ),
    Case(
        name="`--licences atribution`",
        act=build_under("atribution"),
        says=("--licences", "unknown 'atribution' (did you mean 'attribution'?)", "->"),
        finished=0,
    ),
    Case(
        name="`--licences` that leaves no sound",
        act=build_under("permissive", lambda _: "GPL-2.0-only"),
        says=("no sound has a licence of the class permissive", "->"),
        finished=0,
    ),
    Case(
        name="`--licences` that leaves too few sounds",
        act=build_under("permissive"),
        says=("of the sounds under permissive licences, train has only 1 kick, 2 needed", "->"),
        finished=0,
    ),
]

FORM_CASES = [
    Case(name="release for a site that there is not", act=for_site("kagle"), says=("--format", "(did you mean", "->")),
    Case(
        name="a name with capitals and spaces",
        act=releasing("--name", "My Drums"),
        says=("--name", "'My Drums' has another form", "->"),
    ),
    Case(
        name="a name that Kaggle refuses",
        act=for_site("kaggle", "--name", "ab"),
        says=("--name", "2 characters: 'ab'; Kaggle takes 3 to 50", "->"),
    ),
    Case(
        name="a title that Kaggle refuses",
        act=for_site("kaggle", "--title", "Drum"),
        says=("--title", "4 characters: 'Drum'; Kaggle takes 6 to 50", "->"),
    ),
    Case(
        name="a subtitle that Kaggle refuses",
        act=for_site("kaggle", "--subtitle", "d" * 100),
        says=("--subtitle", "Kaggle takes 20 to 80", "->"),
    ),
    Case(
        name="release for Kaggle without an owner",
        act=releasing("--format", "kaggle"),
        says=("--owner", "Kaggle needs the user or the organisation", "->"),
    ),
    Case(
        name="a keyword that Kaggle drops",
        act=for_site("kaggle", "--keyword", "audoi"),
        says=("--keyword", "unknown 'audoi' (did you mean 'audio'?)", "->"),
    ),
    Case(
        name="a name that the hub refuses",
        act=for_site("huggingface", "--name", "d" * 97),
        says=("--name", "the hub takes up to 96 characters", "->"),
    ),
    Case(
        name="single files for the hub",
        act=for_site("huggingface", "--loose"),
        says=("--loose", "the hub reads a data set of sound from tars", "->"),
    ),
    Case(name="`--version first`", act=releasing("--version", "first"), says=("--version", "'first'", "->")),
    Case(
        name="`--date` of a day that is none",
        act=releasing("--date", "2026-02-30"),
        says=("--date", "'2026-02-30' is not a day", "->"),
    ),
    Case(name="`--to` exists", act=existing_target, says=("--to", "exists already", "->")),
    Case(
        name="`--to` is inside the data set",
        act=releasing("--to", Path("out/release")),
        says=("--to", "is inside the data set", "->"),
    ),
    Case(
        name="`--to` is below a file",
        act=with_text(releasing("--to", Path("file/release")), "file"),
        says=("file", "cannot be written", "->"),
    ),
    Case(
        name="a template that is not there",
        act=releasing("--template", Path("card.md.j2")),
        says=("card.md.j2", "no such file", "->"),
    ),
    Case(
        name="a template with an unknown field",
        act=with_text(releasing("--template", Path("card.md.j2")), "card.md.j2", "# {{ facts.no_such_fact }}\n"),
        says=("card.md.j2", "no_such_fact", "->"),
    ),
    Case(
        name="a template that does not end a field",
        act=with_text(releasing("--template", Path("card.md.j2")), "card.md.j2", "# Drums\n\n{{ release.title\n"),
        says=("card.md.j2", "line 3", "->"),
    ),
]

KEY_CASES = [
    Case(
        name="sign with a key that is not there",
        act=releasing("--key", Path("mine.pem")),
        says=("mine.pem", "no such file", "->"),
    ),
    Case(
        name="sign with a text",
        act=with_text(releasing("--key", Path("mine.pem")), "mine.pem", "this is no key"),
        says=("mine.pem", "is not a key that can be read", "->"),
    ),
    Case(
        name="sign with a key that has a passphrase",
        act=releasing("--key", Path("locked.pem")),
        says=("locked.pem", "protected by a passphrase", "->"),
    ),
    Case(name="verify a data set as a release", act=verify_a_data_set, says=("no release here", "->")),
    Case(
        name="verify a release with a changed file",
        act=changed_release,
        says=("CITATION.cff: its checksum differs", "->"),
        code=FOUND,
    ),
    Case(
        name="verify a release with an added file",
        act=added_file,
        says=("audio/more.wav: is not in SHA256SUMS", "->"),
        code=FOUND,
    ),
    Case(
        name="verify a release with somebody else's key",
        act=verifying("--key", Path("other.pub")),
        says=("is not the signature of SHA256SUMS by this key", "->"),
        code=FOUND,
    ),
    Case(
        name="verify a release whose signature was changed",
        act=changed_signature,
        says=("is not the signature of SHA256SUMS by this key", "->"),
        code=FOUND,
    ),
    Case(
        name="verify a release that is not signed with a key",
        act=unsigned,
        says=("missing: the release is not signed", "->"),
        code=FOUND,
    ),
    Case(
        name="verify with a key that is not there",
        act=verifying("--key", Path("mine.pub")),
        says=("mine.pub", "no such file", "->"),
    ),
    Case(
        name="verify with a text in place of a key",
        act=verifying("--key", Path("signed/CITATION.cff")),
        says=("CITATION.cff", "is not a key that can be read", "->"),
    ),
]

REPORT_CASES = [
    Case(
        name="report on a folder without a data set",
        act=lambda world: ["report", world.folder],
        says=("build.json", "no data set here", "->"),
    ),
    Case(
        name="report on an unfinished build",
        act=unfinished(report),
        says=("1 of 5 shards are not made yet, train-000001 the first", "rmod status", "->"),
    ),
    Case(
        name="report on a data set with a tar that was cut",
        act=damaged(report, "--sample", 12),
        says=("train-000001.tar", "not a whole tar", "->"),
    ),
    Case(
        name="thresholds that are not there",
        act=reporting("--thresholds", Path("mine.yaml")),
        says=("mine.yaml", "no such file", "->"),
    ),
    Case(
        name="thresholds with an unknown key",
        act=with_text(reporting("--thresholds", Path("mine.yaml")), "mine.yaml", "loudness: {lufs_maxx: -1}\n"),
        says=("line 1", "unknown key 'lufs_maxx' (did you mean 'lufs_max'?)", "->"),
    ),
    Case(
        name="thresholds with a wrong value",
        act=with_text(reporting("--thresholds", Path("mine.yaml")), "mine.yaml", "draws: {significance: 2}\n"),
        says=("line 1", "1 or less is needed here, found 2", "->"),
    ),
    Case(
        name="a report whose page exists",
        act=with_text(reporting(), "out-report.html"),
        says=("out-report.html", "exists already", "->"),
    ),
    Case(
        name="a report whose JSON exists",
        act=with_text(reporting("--page", Path("page.html")), "page.json"),
        says=("page.json", "exists already", "->"),
    ),
    Case(
        name="a report page that is no HTML by name",
        act=reporting("--page", Path("page.txt")),
        says=("page.txt", "is not the name of a page", "->"),
    ),
    Case(
        name="a report page below a file",
        act=with_text(reporting("--page", Path("file/page.html")), "file"),
        says=("page.html", "cannot be written", "->"),
    ),
    Case(
        name="a report with the library of another build",
        act=library_without_kicks,
        says=("lacks a kick that the data set uses", "->"),
    ),
]

CASES = [*DATA_CASES, *LICENCE_CASES, *FORM_CASES, *KEY_CASES, *REPORT_CASES]
