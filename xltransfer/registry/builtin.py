"""The registries of each kind of part, with the parts that come with xltransfer."""

from __future__ import annotations

from xltransfer.registry.base import Registry

RTNS = Registry(
    "rtn",
    {
        "frozen": ("xltransfer.rtns.frozen:Frozen", "random and never trained: the control"),
        "identity": ("xltransfer.rtns.identity:Identity", "no change: the joint-training limit"),
        "lowrank": ("xltransfer.rtns.lowrank:LowRank", "low-rank linear map, scaled like LoRA"),
        "mlp": ("xltransfer.rtns.mlp:MLP", "bottleneck network of the paper, optionally gated"),
        "multi": ("xltransfer.rtns.multi:Multi", "a network for each insertion layer, stacked or mixed"),
        "per-language": ("xltransfer.rtns.per_language:PerLanguage", "a network for each source language"),
        "transformer": ("xltransfer.rtns.transformer:Transformer", "one layer of the encoder's own kind"),
        "weights": ("xltransfer.rtns.weights:Weights", "how much each source sentence or token counts"),
    },
    "xltransfer.rtns.base:RTN",
)
BACKENDS = Registry(
    "backend",
    {
        "fd": ("xltransfer.backends.fd:FiniteDifferences", "approximate: finite differences of first-order gradients"),
        "first-order": (
            "xltransfer.backends.first_order:FirstOrder",
            "approximate: through the last layer's step alone",
        ),
        "auto": ("xltransfer.backends.auto:Auto", "exact: func in the mode that a short trial finds fastest here"),
        "func": ("xltransfer.backends.func:Func", "exact: the source loss's second derivative in plain torch"),
        "higher": ("xltransfer.backends.higher:Higher", "exact: differentiable inner step with the higher library"),
        "learn2learn": (
            "xltransfer.backends.learn2learn:Learn2Learn",
            "exact: differentiable inner step with the learn2learn library",
        ),
    },
    "xltransfer.backends.base:Backend",
)
ENCODERS = Registry(
    "encoder",
    {"tiny": ("xltransfer.encoders.tiny:Tiny", "embedded default, pretrained on the synthetic languages")},
    "xltransfer.encoders.source:EncoderSource",
)
TASKS = Registry(
    "task",
    {
        "classification": (
            "xltransfer.tasks.classification:Classification",
            "texts with any labels; macro F1 and accuracy",
        ),
        "ner": ("xltransfer.tasks.ner:NER", "named entities in BIO tags; entity F1"),
        "pair": (
            "xltransfer.tasks.classification:Pair",
            "pairs of texts, as in inference, with any labels; macro F1 and accuracy",
        ),
        "pos": ("xltransfer.tasks.pos:POS", "part of speech; accuracy and macro F1"),
        "sentiment": ("xltransfer.tasks.sentiment:Sentiment", "negative and positive texts; macro F1 and accuracy"),
    },
    "xltransfer.tasks.base:Task",
)
FOLDER = "xltransfer.datasets.folder:Folder"
"""The dataset of a name that is not registered: a folder of files."""
DATASETS = Registry(
    "dataset",
    {
        "synthetic": (
            "xltransfer.datasets.synthetic.dataset:Synthetic",
            "generated languages at a chosen distance",
        ),
        "afrisenti": ("xltransfer.datasets.corpora.hub:afrisenti", "sentiment of tweets in 14 African languages"),
        "imdb": ("xltransfer.datasets.corpora.hub:imdb", "sentiment of English film reviews"),
        "marc": (
            "xltransfer.datasets.corpora.hub:marc",
            "stars of Amazon reviews in six languages; a copy of your own",
        ),
        "masakhaner": ("xltransfer.datasets.corpora.hub:masakhaner", "entities in news of ten African languages"),
        "masakhaner2": ("xltransfer.datasets.corpora.hub:masakhaner2", "entities in news of 20 African languages"),
        "nusax": (
            "xltransfer.datasets.corpora.hub:nusax",
            "sentiment in English, Indonesian and ten languages of Indonesia",
        ),
        "sib200": ("xltransfer.datasets.corpora.hub:sib200", "topics of the same sentences in about 200 languages"),
        "sst2": ("xltransfer.datasets.corpora.hub:sst2", "sentiment of English film reviews, phrase by phrase"),
        "universal_dependencies": (
            "xltransfer.datasets.corpora.hub:universal_dependencies",
            "parts of speech, treebank by treebank",
        ),
        "wikiann": ("xltransfer.datasets.corpora.hub:wikiann", "entities in Wikipedia, 176 languages"),
    },
    "xltransfer.datasets.base:Dataset",
)
METHODS = Registry(
    "method",
    {
        "joint": ("xltransfer.methods.joint:Joint", "source and target losses added"),
        "joint-rtn": ("xltransfer.methods.joint_rtn:JointRTN", "joint, with the RTN trained by the ordinary gradient"),
        "metaxl": ("xltransfer.methods.metaxl:MetaXL", "the RTN trained by the meta-gradient"),
        "target-only": ("xltransfer.methods.target_only:TargetOnly", "the target's sentences alone"),
    },
    "xltransfer.methods.base:Method",
)
REGISTRIES = {f"{registry.kind}s": registry for registry in (RTNS, BACKENDS, ENCODERS, TASKS, DATASETS, METHODS)}

register_rtn = RTNS.register
register_backend = BACKENDS.register
register_encoder = ENCODERS.register
register_task = TASKS.register
register_dataset = DATASETS.register
register_method = METHODS.register
