"""Errors of kent's own."""


class NotFiniteError(ValueError):
    """Something a model computes is not finite: its weights are damaged or gone astray, or its dtype is too narrow."""

    def __init__(self, what: str):
        super().__init__(f"{what} is not finite: are the weights whole and the dtype wide enough?")
