"""y in the form that a network is trained on, and back; the weights of samples."""

from moonnet.targets._base import BaseTargets
from moonnet.targets._classes import ClassTargets
from moonnet.targets._numbers import NumberTargets

__all__ = ["BaseTargets", "ClassTargets", "NumberTargets"]
