"""kent: an executable companion to the paper on knowledge entropy decay (arXiv 2410.01380)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "models.checkpoints": ["load"],
        "models.revisions": ["resolve"],
        "text.corpora": ["describe", "sequences"],
        "measure.entropy": ["knowledge_entropy"],
        "learning.knowledge": ["Knowledge"],
        "learning.training": ["learn"],
        "measure.measurement": ["profile"],
        "learning.probes": ["probe"],
        "measure.profiles": ["Profile"],
        "learning.recipes": ["Recipe"],
        "change.resuscitation": ["resuscitate"],
    },
)
