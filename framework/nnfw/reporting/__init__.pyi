from .charts import rate_picture as rate_picture
from .page import report as report
