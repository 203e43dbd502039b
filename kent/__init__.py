"""kent: an executable companion to "Knowledge Entropy Decay during Language Model Pretraining" (arXiv 2410.01380)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"execution", "records", "runs"},
    submod_attrs={
        "checkpoints": ["load", "resolve"],
        "corpora": ["describe", "sequences"],
        "entropy": ["knowledge_entropy"],
        "knowledge": ["Knowledge"],
        "learning": ["learn"],
        "measurement": ["profile"],
        "probes": ["probe"],
        "profiles": ["Profile"],
        "recipes": ["Recipe"],
        "resuscitation": ["resuscitate"],
    },
)
