"""Every file of the shared corpora loads, with the totals that grep and awk count without this package's readers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import shared
from xltransfer.data.readers.labelled import read_labelled
from xltransfer.datasets.folder import Folder
from xltransfer.tasks.base import Task
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS

# In each row: the file, its sentences, and how often it has each label. LC_ALL=C, mawk 1.3.4, GNU grep 3.8; F a file:
#   sentences   awk 'NF { if (!p) n++ } { p = NF } END { print n }' F
#   labels      awk -F'\t' 'NF { print $NF }' F | sort | uniq -c
TAB_SEPARATED = {
    "ner/wikiann/en/dev": (10000, "B-LOC=4834 B-ORG=4677 B-PER=4635 I-LOC=6357 I-ORG=11638 I-PER=7520 O=40875"),
    "ner/wikiann/en/test": (10000, "B-LOC=4657 B-ORG=4745 B-PER=4556 I-LOC=6447 I-ORG=11607 I-PER=7480 O=40834"),
    "ner/wikiann/en/train": (20000, "B-LOC=9345 B-ORG=9422 B-PER=9164 I-LOC=13177 I-ORG=23226 I-PER=14698 O=81362"),
    "ner/wikiann/es/train.conllu": (20000,
        "B-LOC=9144 B-ORG=7311 B-PER=8295 I-LOC=12446 I-ORG=23038 I-PER=14833 O=54216"),
    "ner/wikiann/es/val.conllu": (10000, "B-LOC=4567 B-ORG=3737 B-PER=3966 I-LOC=6310 I-ORG=11533 I-PER=7256 O=26960"),
    "pos/en_ewt/dev.tsv": (2001,
        "ADJ=1865 ADP=2039 ADV=1231 AUX=1567 CCONJ=779 DET=1900 INTJ=115 NOUN=4210 NUM=383 PART=647 "
        "PRON=2225 PROPN=1867 PUNCT=3075 SCONJ=397 SYM=81 VERB=2707 X=59"),
    "pos/en_ewt/test.tsv": (2077,
        "ADJ=1788 ADP=2029 ADV=1191 AUX=1543 CCONJ=736 DET=1897 INTJ=121 NOUN=4123 NUM=542 PART=649 "
        "PRON=2164 PROPN=2075 PUNCT=3096 SCONJ=384 SYM=109 VERB=2605 X=42"),
    "pos/en_ewt/train.tsv": (12544,
        "ADJ=13137 ADP=17742 ADV=10167 AUX=12815 CCONJ=6687 DET=16299 INTJ=695 NOUN=34751 NUM=4126 "
        "PART=5748 PRON=18677 PROPN=12620 PUNCT=23596 SCONJ=3819 SYM=722 VERB=22576 X=400"),
    "pos/fo_farpahc/dev.tsv": (300,
        "ADJ=186 ADP=1041 ADV=416 AUX=395 CCONJ=742 DET=405 INTJ=4 NOUN=1072 NUM=28 PART=75 PRON=1132 "
        "PROPN=470 PUNCT=1295 SCONJ=367 VERB=1118"),
    "pos/fo_farpahc/test.tsv": (301,
        "ADJ=200 ADP=1100 ADV=445 AUX=390 CCONJ=728 DET=363 INTJ=5 NOUN=970 NUM=23 PART=86 PRON=1044 "
        "PROPN=516 PUNCT=1257 SCONJ=382 VERB=1135"),
    "pos/fo_farpahc/train.tsv": (1020,
        "ADJ=355 ADP=2179 ADV=1508 AUX=1492 CCONJ=1200 DET=830 INTJ=16 NOUN=2090 NUM=53 PART=121 PRON=3877 "
        "PROPN=844 PUNCT=4401 SCONJ=1029 VERB=3096 X=3"),
}  # fmt: skip
#   sentences   as above
#   labels      awk 'NF { print $NF }' F | sort | uniq -c
SPACE_SEPARATED = {
    "ner/wikiann/am/dev.txt": (100, "B-LOC=40 B-ORG=31 B-PER=39 I-LOC=30 I-ORG=67 I-PER=63 O=288"),
    "ner/wikiann/am/test.txt": (100, "B-LOC=44 B-ORG=37 B-PER=30 I-LOC=30 I-ORG=73 I-PER=40 O=406"),
    "ner/wikiann/am/train.txt": (100, "B-LOC=48 B-ORG=29 B-PER=39 I-LOC=14 I-ORG=75 I-PER=54 O=363"),
    "ner/wikiann/ig/dev.txt": (100, "B-LOC=33 B-ORG=31 B-PER=42 I-LOC=17 I-ORG=56 I-PER=53 O=373"),
    "ner/wikiann/ig/test.txt": (100, "B-LOC=38 B-ORG=34 B-PER=34 I-LOC=20 I-ORG=58 I-PER=30 O=435"),
    "ner/wikiann/ig/train.txt": (100, "B-LOC=39 B-ORG=36 B-PER=25 I-LOC=27 I-ORG=59 I-PER=23 O=330"),
    "ner/wikiann/sw/dev.txt": (1000, "B-LOC=452 B-ORG=354 B-PER=403 I-LOC=618 I-ORG=696 I-PER=674 O=2412"),
    "ner/wikiann/sw/test.txt": (1000, "B-LOC=388 B-ORG=374 B-PER=432 I-LOC=568 I-ORG=763 I-PER=744 O=2517"),
    "ner/wikiann/sw/train.txt": (1000, "B-LOC=447 B-ORG=319 B-PER=445 I-LOC=645 I-ORG=701 I-PER=759 O=2281"),
    "ner/masakhaner2/bam/dev.txt": (638, "B-LOC=253 B-ORG=26 B-PER=228 I-LOC=30 I-ORG=10 I-PER=221 O=15735"),
    "ner/masakhaner2/bam/test.txt": (1274, "B-LOC=566 B-ORG=95 B-PER=459 I-LOC=34 I-ORG=25 I-PER=451 O=30414"),
    "ner/masakhaner2/bam/train.txt": (4462, "B-LOC=1500 B-ORG=217 B-PER=1439 I-LOC=174 I-ORG=56 I-PER=1483 O=102136"),
    "ner/masakhaner2/ewe/dev.txt": (501, "B-LOC=620 B-ORG=111 B-PER=247 I-LOC=167 I-ORG=90 I-PER=268 O=7817"),
    "ner/masakhaner2/ewe/test.txt": (1001, "B-LOC=1326 B-ORG=240 B-PER=442 I-LOC=364 I-ORG=214 I-PER=472 O=17384"),
    "ner/masakhaner2/ewe/train.txt": (3505, "B-LOC=2264 B-ORG=748 B-PER=1310 I-LOC=427 I-ORG=661 I-PER=1192 O=54056"),
    "ner/masakhaner2/luo/dev.txt": (737, "B-LOC=335 B-ORG=299 B-PER=225 I-LOC=199 I-ORG=396 I-PER=150 O=20666"),
    "ner/masakhaner2/luo/test.txt": (1474, "B-LOC=773 B-ORG=540 B-PER=840 I-LOC=407 I-ORG=760 I-PER=384 O=40571"),
    "ner/masakhaner2/luo/train.txt": (5161,
        "B-LOC=2980 B-ORG=2781 B-PER=3323 I-LOC=911 I-ORG=2323 I-PER=1884 O=149180"),
    "ner/masakhaner2/wol/dev.txt": (656, "B-LOC=245 B-ORG=186 B-PER=264 I-LOC=28 I-ORG=96 I-PER=224 O=18634"),
    "ner/masakhaner2/wol/test.txt": (1312, "B-LOC=536 B-ORG=362 B-PER=456 I-LOC=78 I-ORG=251 I-PER=410 O=36051"),
    "ner/masakhaner2/wol/train.txt": (4593, "B-LOC=1777 B-ORG=1225 B-PER=1549 I-LOC=286 I-ORG=790 I-PER=1301 O=116299"),
}  # fmt: skip
#   sentences   grep -cP '^1\t' F
#   labels      grep -P '^[0-9]+\t' F | cut -f4 | sort | uniq -c
CONLLU = {
    "pos/UD_Maltese-MUDT/mt_mudt-ud-dev.conllu": (433,
        "ADJ=636 ADP=1437 ADV=391 AUX=396 CCONJ=294 DET=835 INTJ=11 NOUN=1940 NUM=144 PART=90 PRON=501 "
        "PROPN=509 PUNCT=940 SCONJ=660 SYM=6 VERB=1392 X=27"),
    "pos/UD_Maltese-MUDT/mt_mudt-ud-test.conllu": (518,
        "ADJ=462 ADP=1299 ADV=504 AUX=427 CCONJ=455 DET=910 INTJ=15 NOUN=2126 NUM=120 PART=156 PRON=611 "
        "PROPN=250 PUNCT=1229 SCONJ=689 SYM=7 VERB=1797 X=16"),
    "pos/UD_Maltese-MUDT/mt_mudt-ud-train.conllu": (1123,
        "ADJ=1215 ADP=2636 ADV=892 AUX=867 CCONJ=776 DET=1857 INTJ=39 NOUN=4459 NUM=336 PART=227 PRON=1209 "
        "PROPN=786 PUNCT=2560 SCONJ=1298 SYM=228 VERB=3197 X=298"),
    "pos/UD_Wolof-WTB/wo_wtb-ud-dev.conllu": (449,
        "ADJ=6 ADP=692 ADV=364 AUX=905 CCONJ=349 DET=722 INTJ=21 NOUN=1585 NUM=117 PART=142 PRON=1421 "
        "PROPN=700 PUNCT=1335 SCONJ=177 VERB=1758"),
    "pos/UD_Wolof-WTB/wo_wtb-ud-test.conllu": (470,
        "ADJ=2 ADP=765 ADV=303 AUX=962 CCONJ=265 DET=804 INTJ=3 NOUN=1744 NUM=142 PART=145 PRON=1400 "
        "PROPN=706 PUNCT=1197 SCONJ=212 SYM=1 VERB=1752"),
    "pos/UD_Wolof-WTB/wo_wtb-ud-train.conllu": (1188,
        "ADJ=4 ADP=1623 ADV=756 AUX=2043 CCONJ=751 DET=1629 INTJ=40 NOUN=3805 NUM=280 PART=392 PRON=3382 "
        "PROPN=1180 PUNCT=2787 SCONJ=480 SYM=1 VERB=4408"),
}  # fmt: skip
#   texts       tail -n +2 F | grep -c .
#   labels      tail -n +2 F | cut -f2 | sort | uniq -c
STARS = {
    "sentiment/en/marc_test.tsv": (5000, "1=1000 2=1000 3=1000 4=1000 5=1000"),
    "sentiment/en/marc_train_sample.tsv": (12465, "1=2493 2=2483 3=2488 4=2503 5=2498"),
}  # fmt: skip
#   texts       grep -c '[^_]' F
ONE_A_LINE = {
    "sentiment/te/product_neg.txt": (137, "negative=137"),
    "sentiment/te/product_pos.txt": (166, "positive=166"),
}
#   labels      python3 -c "import re, zipfile as z, collections as c; a = z.ZipFile('sentipers.xlsx');
#                 s = re.findall('<si>(.*?)</si>', a.read('xl/sharedStrings.xml').decode(), re.S);
#                 f = re.findall(r'<c r=\"D\d+\"[^>]*><v>(\d+)', a.read('xl/worksheets/sheet1.xml').decode());
#                 print(c.Counter(re.sub('<.*?>', '', s[int(i)]) for i in f))"     (less the header)
SPREADSHEET = {"sentiment/fa/sentipers.xlsx": (15683, "+1=5019 +2=2940 -1=1574 -2=212 0=5938")}

TAGGED = {**TAB_SEPARATED, **SPACE_SEPARATED, **CONLLU}
LABELLED = {**STARS, **ONE_A_LINE, **SPREADSHEET}


def shown(labels: Counter[str]) -> str:
    return " ".join(f"{label}={labels[label]}" for label in sorted(labels))


def split_of(path: Path) -> str:
    return next(split for split in ("train", "dev", "test") if split in path.stem.replace("val", "dev"))


@pytest.mark.parametrize("file", TAGGED)
def test_split_of_tagged_sentences(file: str) -> None:
    path = shared(f"data/{file}")
    task: Task = NER() if file.startswith("ner/") else POS()
    examples = Folder(path.parents[1], 42).load(task, path.parent.name, split_of(path))
    assert (len(examples), shown(Counter(tag for tags in task.gold(examples) for tag in tags))) == TAGGED[file]


@pytest.mark.parametrize("file", LABELLED)
def test_file_of_labelled_texts(file: str) -> None:
    examples = read_labelled(shared(f"data/{file}"))
    assert (len(examples), shown(Counter(example.label for example in examples))) == LABELLED[file]


def test_no_file_is_left_out() -> None:
    manifest = shared("data/MANIFEST.tsv").read_text(encoding="utf-8").splitlines()[1:]
    files = {line.split("\t")[0] for line in manifest}
    assert {file for file in files if Path(file).name not in ("LICENSE.txt", "data_index.txt")} == {*TAGGED, *LABELLED}
