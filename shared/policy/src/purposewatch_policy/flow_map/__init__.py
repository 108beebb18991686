"""A picture of flows: whose data (left) go where (right) for what (middle), as SVG.

What is shown is the caller's: what a policy declares, or what was observed.
"""

from purposewatch_policy.flow_map.drawing import draw
from purposewatch_policy.flow_map.model import Box, FlowMap, Strand
from purposewatch_policy.flow_map.style import themed_style

__all__ = ["Box", "FlowMap", "Strand", "draw", "themed_style"]
