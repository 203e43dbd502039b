"""A softmax temperature in attention, constant or cooling over a training run (figure 18).

No model is forked: an attention module multiplies its logits (OPT: its queries) by its attribute
`scaling`, whichever attention function is chosen, so dividing that attribute by the temperature
divides the logits.
"""

from contextvars import ContextVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, TrainerCallback
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, unwrap_model

from kent.measure.attention import check_known, replace_attention
from kent.measure.decoders import Model, draw_tokens, find_decoder
from kent.measure.streaming import freeze
from kent.settings import Count, Temperature, Whole, checked

OWN = "kent_own_scaling"
"""Where an attention module not at temperature 1 keeps its scaling: an attribute, never saved."""
NAME = "kent_scaled_queries"

_queries: ContextVar[list[Tensor]] = ContextVar("queries")


def _note_queries(module, query, key, value, attention_mask, *, scaling=None, **others):
    """Attention that notes its scaled queries [batch, head, position, width] and puts out zeros.

    With nothing put out, no layer's queries depend on the scaling of the layers before it.
    """
    known = {"dropout": None, "is_causal": None}
    check_known(module, attention_mask, others | known)
    _queries.get().append(query * (query.shape[-1] ** -0.5 if scaling is None else scaling))
    return value.new_zeros(*query.transpose(1, 2).shape[:3], value.shape[-1]), None


ALL_ATTENTION_FUNCTIONS.register(NAME, _note_queries)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)


def _read_queries(model: PreTrainedModel) -> list[Tensor]:
    """The scaled queries of every layer, at 16 tokens from all over the vocabulary."""
    with freeze(model), replace_attention(model, NAME):
        token = _queries.set([])
        try:
            find_decoder(model)(input_ids=draw_tokens(model), use_cache=False)
            return _queries.get()
        finally:
            _queries.reset(token)


def _check_effect(model: PreTrainedModel, attentions: list[nn.Module]) -> None:
    """Raise `ValueError` unless half the scaling is half of every layer's logits."""
    before, own = _read_queries(model), [module.scaling for module in attentions]
    try:
        for module in attentions:
            module.scaling = module.scaling / 2
        after = _read_queries(model)
    finally:
        for module, scaling in zip(attentions, own, strict=True):
            module.scaling = scaling
    followed = [torch.allclose(2 * half, whole) for half, whole in zip(after, before, strict=True)]
    if len(followed) != len(attentions) or not all(followed):
        raise _refuse(model, "its logits do not follow its scaling")


def _refuse(model: PreTrainedModel, reason: str) -> ValueError:
    kind = type(model).__name__
    return ValueError(f"the attention of {kind} has no softmax temperature: {reason}")


def _find_attentions(model: PreTrainedModel) -> list[nn.Module]:
    """The attention modules, one a layer; `ValueError` where their logits are more than scaled."""
    if not model._supports_attention_backend:
        raise _refuse(model, "its attention is its own")
    decoder = find_decoder(model)
    # What enters the softmax beside the scaled logits would stay as it is at every temperature.
    if getattr(decoder.config, "attn_logit_softcapping", None) is not None:
        raise _refuse(model, "a soft-cap stands between its scaling and the softmax")
    if any(name.endswith("sinks") for name, _ in decoder.named_parameters()):
        raise _refuse(model, "its sinks enter the softmax unscaled")
    layers, modules = decoder.config.num_hidden_layers, decoder.modules()
    found = [each for each in modules if isinstance(getattr(each, "scaling", None), int | float)]
    if len(found) != layers:
        counted = f"{len(found)} modules with a `scaling` were found in {layers} layers"
        raise _refuse(model, counted)
    return found


@checked
def set_temperature(model: Model, temperature: Temperature) -> None:
    """Divide the attention logits of every layer by `temperature` from now on, in place.

    Always relative to the model's own scaling: 1.5 and then 2 is 2, and 1 is the model as it was,
    bit for bit. The temperature is seen by every attention function (eager, sdpa, flash and the one
    `kent.profile` measures with) and by a deep copy, but not by what is saved: a model saved and
    loaded again is at 1.

    Raises `ValueError` for a temperature outside 1e-6 to 1e6, and for an architecture whose logits
    are more than scaled (the soft-cap of Gemma 2), which has cross-attention, or which lets no
    other attention function in.
    """
    _check_effect(model, _find_attentions(model))
    _divide(model, temperature)


def _divide(model: PreTrainedModel, temperature: float | int) -> None:
    for module in _find_attentions(model):
        own = module.__dict__.pop(OWN, module.scaling)
        module.scaling = own / temperature
        if temperature != 1:
            setattr(module, OWN, own)


@checked
def find_temperature(start: Temperature, step: Whole, total: Count, *, decay: bool) -> float:
    """The temperature after `step` of `total` optimizer steps: linear to exactly 1, or constant.

    Raises `ValueError` for a start outside 1e-6 to 1e6, and for a step outside 0 to `total`.
    """
    if step > total:
        raise ValueError(f"step {step} is not within a run of {total} steps")
    passed = step / total
    # Not start + (1 - start)·passed, which need not round to 1 at the end.
    return start * (1 - passed) + passed if decay else start


class Cooling(TrainerCallback):
    """Attention resuscitation (figure 18, appendix B.8): a temperature lowered linearly to 1.

    It begins at `start` and, without `decay`, stays there. The next step is learned, and what
    follows step s evaluated, at `find_temperature(start, s, state.max_steps)`: the Trainer calls
    `on_step_end`, where the temperature changes, before it logs, evaluates and saves. Step 1 is
    thus learned at `start`, and only the finished model is at 1. (The public code counts a step
    before it is learned: its step s is learned at `find_temperature(start, s, total)`.) An
    evaluation before training begins finds the model as it was given, and a constant temperature
    stays on the model after the run, but not in what is saved.
    """

    @checked
    def __init__(self, start: Temperature, *, decay: bool = True):
        self.start, self.decay = start, decay

    def on_train_begin(self, args, state, control, *, model, **kwargs) -> None:
        """Set the temperature where the run begins, or goes on."""
        set_temperature(unwrap_model(model), self._find(state))

    def on_step_end(self, args, state, control, *, model, **kwargs) -> None:
        """Set the temperature after an optimizer step: not between accumulated gradients."""
        _divide(unwrap_model(model), self._find(state))

    def _find(self, state) -> float:
        return find_temperature(self.start, state.global_step, state.max_steps, decay=self.decay)
