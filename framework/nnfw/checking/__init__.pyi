from .gradients import check_pass as check_pass
from .gradients import gradcheck as gradcheck
from .report import Report as Report
from .report import Row as Row
from .single import check_activation as check_activation
from .single import check_cost as check_cost
from .single import check_layer as check_layer
