from .gradient_report import Report as Report
from .gradient_report import Row as Row
from .gradients import check_pass as check_pass
from .gradients import gradcheck as gradcheck
from .single_component import check_activation as check_activation
from .single_component import check_cost as check_cost
from .single_component import check_layer as check_layer
