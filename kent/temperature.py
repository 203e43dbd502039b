"""A softmax temperature in the attention of a Hugging Face model, constant or cooling over a training run (figure 18).

No model is forked: an attention module multiplies its logits (OPT: its queries) by its attribute `scaling`, whichever
attention function is chosen, so dividing that attribute by the temperature divides the logits.
"""

import math

from torch import nn
from transformers import PreTrainedModel, TrainerCallback
from transformers.modeling_utils import unwrap_model

OWN = "kent_own_scaling"
"""Where an attention module at another temperature than 1 keeps its own scaling: a plain attribute, never saved."""


def check_temperature(temperature: float | int) -> None:
    """Raise `ValueError` for a temperature that is not finite and above 0."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"a temperature must be finite and above 0, not {temperature}")


def _find_attentions(model: PreTrainedModel) -> list[nn.Module]:
    """The attention modules of a decoder-only model, one a layer; `ValueError` where scaling is not all they do."""
    refusal = f"the attention of {type(model).__name__} has no softmax temperature: {{}}"
    if not model._supports_attention_backend:
        raise ValueError(refusal.format("its attention is its own"))
    decoder = model.get_decoder()
    if getattr(decoder.config, "attn_logit_softcapping", None) is not None:
        raise ValueError(refusal.format("a soft-cap stands between its scaling and the softmax"))
    if any(name.endswith("sinks") for name, _ in decoder.named_parameters()):
        raise ValueError(refusal.format("its sinks enter the softmax unscaled"))
    layers = decoder.config.num_hidden_layers
    found = [module for module in decoder.modules() if isinstance(getattr(module, "scaling", None), int | float)]
    if len(found) != layers:
        raise ValueError(refusal.format(f"{len(found)} modules with a `scaling` were found in {layers} layers"))
    return found


def set_temperature(model: PreTrainedModel, temperature: float | int) -> None:
    """Divide the attention logits of every layer by `temperature` from now on, in place.

    Always relative to the model's own scaling: 1.5 and then 2 is 2, and 1 is the model as it was, bit for bit. The
    temperature is seen by every attention function (eager, sdpa, flash and the one `kent.profile` measures with) and
    by a deep copy, but not by what is saved: a model saved and loaded again is at 1.

    Raises `ValueError` for a temperature that is not finite and above 0, and for an architecture whose logits are more
    than scaled (the soft-cap of Gemma 2), which has cross-attention, or which lets no other attention function in.
    """
    check_temperature(temperature)
    for module in _find_attentions(model):
        own = module.__dict__.pop(OWN, module.scaling)
        module.scaling = own / temperature
        if temperature != 1:
            setattr(module, OWN, own)


def find_temperature(start: float, step: int, total: int, *, decay: bool) -> float:
    """The temperature after `step` of `total` optimizer steps: linear from `start` to exactly 1, or constant.

    Raises `ValueError` for a start that is not finite and above 0, and for a step outside 0 to `total`.
    """
    check_temperature(start)
    if not 0 <= step <= total or total == 0:
        raise ValueError(f"step {step} is not within a run of {total} steps")
    passed = step / total
    return start * (1 - passed) + passed if decay else start


class Cooling(TrainerCallback):
    """Attention resuscitation (figure 18, appendix B.8): a temperature of `start`, lowered linearly to 1 with `decay`.

    The next step is learned, and what follows step s is evaluated (by `kent.evaluations.Examiner`, or by the Trainer),
    at `find_temperature(start, s, total)`, whose `total` is `state.max_steps`: the Trainer calls `on_step_end`, where
    the temperature changes, before it logs, evaluates and saves. Step 1 is thus learned at `start`, and only the
    finished model is at 1. (The public code counts a step before it is learned: its step s is learned at
    `find_temperature(start, s, total)`.) An evaluation before training begins finds the model as it was given, and a
    constant temperature stays on the model after the run, but not in what is saved.
    """

    def __init__(self, start: float, *, decay: bool = True):
        check_temperature(start)
        self.start, self.decay = start, decay

    def on_train_begin(self, args, state, control, *, model, **kwargs) -> None:
        """Set the temperature where the run begins, or goes on."""
        temperature = find_temperature(self.start, state.global_step, state.max_steps, decay=self.decay)
        set_temperature(unwrap_model(model), temperature)

    def on_step_end(self, args, state, control, *, model, **kwargs) -> None:
        """Set the temperature after an optimizer step; there is none between accumulated gradients."""
        self.on_train_begin(args, state, control, model=model)
