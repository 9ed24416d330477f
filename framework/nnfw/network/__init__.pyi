from .chain import Chain as Chain
from .chain import Workspace as Workspace
from .objective import Objective as Objective
from .parameters import Layout as Layout
from .parameters import Parameters as Parameters
from .parameters import Scope as Scope
from .trace import LayerTrace as LayerTrace
from .trace import Trace as Trace
