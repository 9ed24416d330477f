from .accelerators import choose as choose
from .accelerators import kernels_from as kernels_from
from .accelerators import require_known as require_known
from .environment import describe_environment as describe_environment
from .loops import DEFINITIONS as DEFINITIONS
from .loops import Kernels as Kernels
from .loops import kernels as kernels
from .loops import using as using
