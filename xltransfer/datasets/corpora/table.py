"""The table of named corpora: repository on the Hugging Face Hub, layout, and content.

Only parquet and JSON lines are read, never a dataset script. For a repository with a script or other files, the row
names the revision `refs/convert/parquet`, the parquet copy that the Hub makes.
"""

from __future__ import annotations

from dataclasses import dataclass

CONVERTED = "refs/convert/parquet"
MIRROR = "--data-opt mirror=DIR (--source-data-opt for a corpus named by --source-data)"
_BIO = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
_BIO_DATE = (*_BIO, "B-DATE", "I-DATE")


@dataclass(frozen=True)
class Columns:
    """The columns of a file that hold the text (or words) and the label (or tags)."""

    content: str
    label: str
    scale: str = "name"
    """The kind of a text's label: name or stars."""
    first: int = 0
    """Added to a numeric label: mirrors of MARC count stars from 0."""


@dataclass(frozen=True)
class Corpus:
    """One corpus. `languages` are in its own spelling, empty if the repository lists them itself."""

    name: str
    tasks: tuple[str, ...]
    repository: str
    columns: tuple[Columns, ...]
    """Alternatives; the first one that a file has is used."""
    licence: str
    size: str
    citation: str
    source: str
    languages: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """Names of class ids, for files that do not store them."""
    revision: str = "main"
    folder: str = "{language}"
    """The repository's folder for a language."""
    extra_folders: tuple[str, ...] = ()
    """Folders of other copies that contain the language, possibly among others."""
    task_options: tuple[tuple[str, str], ...] = ()
    """Task options that the corpus's labels require."""
    withdrawn: str = ""
    """Why it cannot be downloaded and what to do instead; empty if it can be."""


_WIKIANN = (
    "ace af als am an ang ar arc arz as ast ay az ba bar bat-smg be be-x-old bg bh bn bo br bs ca cbk-zam cdo ce ceb "
    "ckb co crh cs csb cv cy da de diq dv el eml en eo es et eu ext fa fi fiu-vro fo fr frr fur fy ga gan gd gl gn gu "
    "hak he hi hr hsb hu hy ia id ig ilo io is it ja jbo jv ka kk km kn ko ksh ku ky la lb li lij lmo ln lt lv map-bms "
    "mg mhr mi min mk ml mn mr ms mt mwl my mzn nap nds ne nl nn no nov oc or os pa pdc pl pms pnb ps pt qu rm ro ru "
    "rw sa sah scn sco sd sh si simple sk sl so sq sr su sv sw szl ta te tg th tk tl tr tt ug uk ur uz vec vep vi vls "
    "vo wa war wuu xmf yi yo zea zh zh-classical zh-min-nan zh-yue"
)
_TEXT = (Columns("text", "label"),)

_ROWS = (
    Corpus(
        "wikiann", ("ner",), "unimelb-nlp/wikiann", (Columns("tokens", "ner_tags"),),
        licence="unknown, says its hub page",
        size="100 to 20,000 training sentences a language",
        citation="Pan et al. 2017; splits of Rahimi et al. 2019",
        source="Wikipedia, labelled by machine",
        languages=tuple(_WIKIANN.split()), labels=_BIO,
    ),
    Corpus(
        "masakhaner", ("ner",), "masakhane/masakhaner", (Columns("tokens", "ner_tags"),),
        licence="unknown, says its hub page",
        size="ten languages, labelled by hand",
        citation="Adelani et al. 2021",
        source="African news; PER, ORG, LOC and DATE",
        languages=("amh", "hau", "ibo", "kin", "lug", "luo", "pcm", "swa", "wol", "yor"), labels=_BIO_DATE,
        revision=CONVERTED,
    ),
    Corpus(
        "masakhaner2", ("ner",), "masakhane/masakhaner2", (Columns("tokens", "ner_tags"),),
        licence="afl-3.0",
        size="4,800 to 11,200 sentences a language",
        citation="Adelani et al. 2022",
        source="African news; PER, ORG, LOC and DATE",
        languages=("bam", "bbj", "ewe", "fon", "hau", "ibo", "kin", "lug", "luo", "mos", "nya", "pcm", "sna", "swa",
                   "tsn", "twi", "wol", "xho", "yor", "zul"),
        revision=CONVERTED,
    ),
    Corpus(
        "universal_dependencies", ("pos",), "universal-dependencies/universal_dependencies",
        (Columns("tokens", "upos"),),
        licence="each treebank its own",
        size="a configuration a treebank",
        citation="Nivre et al. 2020",
        source="the treebanks of a UD release; a folder of treebanks as CoNLL-U is read by --data FOLDER",
    ),
    Corpus(
        "marc", ("sentiment",), "amazon_reviews_multi",
        (Columns("review_body", "stars", "stars"), Columns("text", "label", "stars", first=1)),
        licence="Amazon's own, for research",
        size="200,000/5,000/5,000 reviews a language",
        citation="Keung et al. 2020",
        source="Multilingual Amazon Reviews Corpus, one to five stars",
        languages=("de", "en", "es", "fr", "ja", "zh"),
        extra_folders=("all_languages", "data"),
        withdrawn="was withdrawn by its owner in 2023 and is no longer on the hub. Pass a copy of your own with "
                  f"{MIRROR}: the published JSON lines (DIR/json/train/dataset_en_train.json) or a parquet mirror "
                  "(DIR/en/train-00000-of-00001.parquet). Open English sentiment to take as the source instead: "
                  "--source-data sst2, or imdb.",
    ),
    Corpus(
        "sst2", ("sentiment",), "stanfordnlp/sst2", (Columns("sentence", "label"),),
        licence="see its hub page",
        size="67,349/872 phrases of film reviews; the test labels are not published",
        citation="Socher et al. 2013",
        source="Stanford Sentiment Treebank, two classes",
        languages=("en",), labels=("negative", "positive"), folder="data",
    ),
    Corpus(
        "imdb", ("sentiment",), "stanfordnlp/imdb", _TEXT,
        licence="other, says its hub page",
        size="25,000 film reviews for training, 25,000 for test; no dev split",
        citation="Maas et al. 2011",
        source="Large Movie Review Dataset",
        languages=("en",), labels=("neg", "pos"), folder="plain_text",
    ),
    Corpus(
        "afrisenti", ("sentiment",), "masakhane/afrisenti", (Columns("tweet", "label"), *_TEXT),
        licence="cc-by-nc-sa-2.0",
        size="more than 110,000 tweets in all",
        citation="Muhammad et al. 2023",
        source="tweets; positive, neutral, negative",
        languages=("amh", "arq", "ary", "hau", "ibo", "kin", "orm", "pcm", "por", "swa", "tir", "tso", "twi", "yor"),
        revision=CONVERTED,
    ),
    Corpus(
        "nusax", ("sentiment",), "indonlp/NusaX-senti", _TEXT,
        licence="cc-by-sa-4.0",
        size="500/100/400 texts a language, the same in all",
        citation="Winata et al. 2023",
        source="Indonesian reviews and comments, translated; negative, neutral, positive",
        languages=("ace", "ban", "bbc", "bjn", "bug", "eng", "ind", "jav", "mad", "min", "nij", "sun"),
        revision=CONVERTED,
    ),
    Corpus(
        "sib200", ("sentiment",), "Davlan/sib200", (Columns("text", "category"),),
        licence="cc-by-sa-4.0",
        size="701/99/204 sentences a language, the same in all",
        citation="Adelani et al. 2024",
        source="topics of FLORES sentences, seven classes: --task sentiment --task-opt labels=all",
        revision=CONVERTED, task_options=(("labels", "all"),),
    ),
)  # fmt: skip

CORPORA = {row.name: row for row in _ROWS}
