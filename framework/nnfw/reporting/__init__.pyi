from .charts import rate_picture as rate_picture
from .findings import evidence_of as evidence_of
from .page import report as report
