"""Which of many items answer what somebody asks for: words and, where a model is installed, meaning.

Nobody learns of an item that the caller did not allow: whatever is counted, averaged or ranked is so over what
is allowed alone.
"""

import os

# Products of this size take less time than handing them to threads, and answers must not wait for cores that are busy.
# What the operator sets stands; numpy reads it when it is first imported, which is by the modules of this package.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
