"""The experiments, by the names of their theories."""

from .double_descent import DoubleDescentExperiment
from .edge_of_chaos import EdgeOfChaosExperiment
from .edge_of_stability import EdgeOfStabilityExperiment
from .experiment import Experiment, Outcome, Setting, Value, Values
from .information_plane import InformationPlaneExperiment
from .neural_collapse import NeuralCollapseExperiment
from .scattering import ScatteringExperiment
from .tangent_kernel import TangentKernelExperiment

EXPERIMENTS: dict[str, Experiment] = {
    item.name: item
    for item in (
        EdgeOfStabilityExperiment(),
        EdgeOfChaosExperiment(),
        DoubleDescentExperiment(),
        NeuralCollapseExperiment(),
        TangentKernelExperiment(),
        InformationPlaneExperiment(),
        ScatteringExperiment(),
    )
}

__all__ = ["EXPERIMENTS", "Experiment", "Outcome", "Setting", "Value", "Values"]
