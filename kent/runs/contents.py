"""The book's pages that need runs, and what plans the runs of each."""

from functools import partial

from kent.paper import STAGES
from kent.runs import fork_plans, learned_plans, learning_plans, model_plans, picture_plans, plans

PAGES = {
    "real_model": model_plans.compare_baselines,
    "real_resuscitation": model_plans.resuscitate_model,
    "real_knowledge": model_plans.learn_entities,
    "fig01_memory_coefficients": plans.sweep_stages,
    "fig02_knowledge_entropy": plans.sweep_with_baseline,
    "fig03_other_entropies": plans.sweep,
    "fig04_acquisition_and_forgetting": learning_plans.learn_stages,
    "fig06_other_architecture": plans.sweep_architectures,
    "fig07_other_corpora": plans.sweep_corpora,
    "fig08_layers": plans.sweep_stages,
    "fig09_activation": plans.sweep_activations,
    "fig10_familiarity": plans.compare_familiarity,
    "fig11_once_and_paraphrased": learning_plans.learn_stages,
    "fig12_before_and_after": learning_plans.learn_stages,
    "fig13_learning_corpora": learning_plans.learn_corpora,
    "fig14_two_architectures": learning_plans.learn_architectures,
    "algorithm1_resuscitation": learning_plans.show_algorithm,
    "algorithm1_entropy": picture_plans.show_edits,
    "fig05_resuscitation": learning_plans.vary_q,
    "fig15_share_of_vectors": learning_plans.vary_p,
    "fig16_resuscitation_by_stage": partial(learning_plans.vary_q, stages=tuple(STAGES)),
    "fig17_amplification_by_stage": partial(learning_plans.vary_q, stages=("369k", "554k")),
    "fig18_attention_temperature": learning_plans.vary_temperature,
    "entropy_or_not": learning_plans.compare_methods,
    "optimizer_memory": learned_plans.compare_starts,
    "operating_point": learned_plans.search_points,
    "forks": fork_plans.compare_forks,
    "held_out_loss": learned_plans.measure_learned,
    "gentler_resuscitation": learned_plans.compare_gentler,
    "table1_hyperparameters": learning_plans.learn_settings,
    "correlations": learning_plans.learn_architectures,
    "learning_curves": learning_plans.learn_stages,
    "appendix_a1_gradients": plans.compare_gradients,
    "when_entropy_falls": plans.sweep,
    "other_measures": plans.sweep_with_baseline,
    "exactness": plans.sweep_sizes,
}

PLAYED = {"fig01_memory_coefficients": picture_plans.show_models}
"""What plans the runs of a picture to play with, where a page's numbers are of fewer runs."""
RECORDED = ("operating_point", "optimizer_memory", "forks", "gentler_resuscitation")
"""Pages that take long: the book shows what their last run kept, which `make book` does not do."""


DRAWN = ("compare",)
"""Parameters of what a page draws beside its runs, which they do not decide."""


def plan(page: str, parameters: dict) -> plans.Plan:
    """The runs a page asks for with these parameters; none for a page that measures nothing."""
    decisive = {name: each for name, each in parameters.items() if name not in DRAWN}
    asked = [pages[page](**decisive) for pages in (PAGES, PLAYED) if page in pages]
    return {label: runs for each in asked for label, runs in each.items()}
