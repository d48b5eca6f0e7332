"""The named algorithms as data: their parameters, and the parts each is composed of."""

from __future__ import annotations

from fedloom.federation.algorithms.named import RECIPES, Recipe
from fedloom.federation.algorithms.parameters import PARAMETERS, Parameter, Params

__all__ = ["PARAMETERS", "RECIPES", "Parameter", "Params", "Recipe"]
