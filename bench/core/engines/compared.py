"""The engines that are compared. Needs the packages of `requirements/bench.txt`."""

from bench.core.engines.cedar import Cedar
from bench.core.engines.cel import Cel, CelByHand
from bench.core.engines.core import Core, CoreThatRemembers
from bench.core.engines.engine import Engine
from bench.core.engines.naive import Naive
from bench.core.engines.rego import Rego

CORE: type[Engine] = Core
REMEMBERING: type[Engine] = CoreThatRemembers
"""Not compared with engines that decide each time: any engine could have a cache."""
OTHERS: tuple[type[Engine], ...] = (Rego, Cel, Cedar)
"""Engines that hold the whole policy and answer one question for each flow."""
BY_HAND: type[Engine] = CelByHand
NAIVE: type[Engine] = Naive
