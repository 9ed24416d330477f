from .examples import Examples as Examples
from .examples import categorical as categorical
from .examples import require_finite as require_finite
