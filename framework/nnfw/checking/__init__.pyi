from .components import check_activation as check_activation
from .components import check_cost as check_cost
from .components import check_layer as check_layer
from .gradients import check_pass as check_pass
from .gradients import gradcheck as gradcheck
from .report import Report as Report
from .report import Row as Row
