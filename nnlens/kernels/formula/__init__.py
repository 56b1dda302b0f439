"""A small network as a symbolic expression.

>>> import torch
>>> from nnlens.kernels import formula
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Tanh())
>>> _ = torch.nn.init.constant_(model[0].weight, 0.5), torch.nn.init.zeros_(model[0].bias)
>>> formula.formula(model, torch.zeros(1, 2)).rounded(2).expression()
tanh(0.5*x1 + 0.5*x2)
"""

from .formula import Definition, Formula, FormulaLayer, FormulaTooLargeError, formula

__all__ = ["Definition", "Formula", "FormulaLayer", "FormulaTooLargeError", "formula"]
